import { commonData, type PageLook, type SmallPages } from './parts.js'
import { framedHeaders, sendingHeaders } from './security-headers.js'

/** Made once. */
export function smallPages(look: PageLook): SmallPages {
  const common = commonData(look)
  const framed = framedHeaders(look.secure)
  const sending = sendingHeaders(look.secure)
  return {
    framed: (facts) => ({ html: look.templates.render('framed', { ...common, ...facts }), headers: framed }),
    sendAgain: (fields) => ({
      html: look.templates.render('send-again', { ...common, fields, sends: true }),
      headers: sending,
    }),
  }
}
