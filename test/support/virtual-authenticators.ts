import type { CDPSession, Page } from 'playwright-core'

/** What a device can do, as Chromium makes one up (WebAuthn domain of its debugging protocol). */
export interface DeviceOptions {
  /** `u2f`: a security key of the first kind, which keeps nothing and asks for no PIN. */
  readonly protocol?: 'ctap2' | 'u2f'
  readonly transport?: 'internal' | 'usb'
  readonly keepsKeys?: boolean
  readonly verifies?: boolean
  readonly synced?: boolean
}

export interface KeptCredential {
  readonly credentialId: string
  readonly rpId?: string
  readonly privateKey: string
  readonly signCount: number
  readonly isResidentCredential: boolean
}

/** Devices at one window of Chromium. They answer by themselves while they are present. */
export class VirtualDevices {
  readonly #session: CDPSession

  private constructor(session: CDPSession) {
    this.#session = session
  }

  static async at(page: Page): Promise<VirtualDevices> {
    const session = await page.context().newCDPSession(page)
    await session.send('WebAuthn.enable', { enableUI: false })
    return new VirtualDevices(session)
  }

  /** @returns its id */
  async add(options: DeviceOptions = {}): Promise<string> {
    const { protocol = 'ctap2', transport = 'internal', keepsKeys = true, verifies = true, synced = false } = options
    const isU2f = protocol === 'u2f'
    const { authenticatorId } = await this.#session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol,
        transport,
        hasResidentKey: keepsKeys && !isU2f,
        hasUserVerification: verifies && !isU2f,
        isUserVerified: verifies && !isU2f,
        automaticPresenceSimulation: true,
        ...(isU2f ? {} : { defaultBackupEligibility: synced, defaultBackupState: synced }),
      },
    })
    return authenticatorId
  }

  async remove(authenticatorId: string): Promise<void> {
    await this.#session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
  }

  /** Whether somebody is there to touch it. */
  async setPresent(authenticatorId: string, enabled: boolean): Promise<void> {
    await this.#session.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled })
  }

  /** Whether finger, face or PIN are right from now on. */
  async setVerified(authenticatorId: string, isUserVerified: boolean): Promise<void> {
    await this.#session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
  }

  /** Answers that no honest device gives. */
  async spoil(authenticatorId: string, how: { isBogusSignature?: boolean; isBadUV?: boolean; isBadUP?: boolean }) {
    await this.#session.send('WebAuthn.setResponseOverrideBits', { authenticatorId, ...how })
  }

  async credentials(authenticatorId: string): Promise<readonly KeptCredential[]> {
    const { credentials } = await this.#session.send('WebAuthn.getCredentials', { authenticatorId })
    return credentials as readonly KeptCredential[]
  }

  /** Copies what one device has to another, as a synced passkey is. */
  async copy(from: string, to: string): Promise<void> {
    const { credentials } = await this.#session.send('WebAuthn.getCredentials', { authenticatorId: from })
    for (const credential of credentials)
      await this.#session.send('WebAuthn.addCredential', { authenticatorId: to, credential })
  }
}
