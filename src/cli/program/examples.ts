import type { Command } from 'commander'

/** What people type, for each command in its own words; `--help` shows them. Without the word `gatelodge` before them. */
export const examples: Readonly<Record<string, readonly string[]>> = {
  init: [
    'init',
    'init --upstream http://127.0.0.1:3000 --url https://crm.example.com',
    'init --add --upstream http://127.0.0.1:4000 --url https://wiki.example.com --name Wiki',
  ],
  start: ['start --config /etc/gatelodge/gatelodge.yaml'],
  reload: ['reload'],
  doctor: ['doctor', 'doctor --json'],
  demo: ['demo --port 8081'],
  check: ['check --config gatelodge.yaml'],
  explain: ['explain GET https://crm.example.com/admin --user ada --from 203.0.113.9', 'explain --request 01JC5Z6M3V'],
  schema: ['schema > gatelodge.schema.json'],
  version: ['version'],
  completion: ['completion bash > /etc/bash_completion.d/gatelodge', 'completion zsh > ~/.zfunc/_gatelodge'],
  'user add': ['user add ada --email ada@example.com', 'user add job --role api --password-stdin < password.txt'],
  'user list': ['user list --search lovelace'],
  'user show': ['user show ada'],
  'user deactivate': ['user deactivate ada'],
  'user activate': ['user activate ada'],
  'user role': ['user role ada support'],
  'user change': ['user change ada --email ada@example.org --group staff board'],
  'user unlock': ['user unlock ada'],
  'user reset-second-factor': ['user reset-second-factor ada'],
  'user approvals': ['user approvals'],
  'user approve': ['user approve ada'],
  'user refuse': ['user refuse ada'],
  'user require': ['user require ada', 'user require ada --off'],
  'user exempt': ['user exempt kiosk --reason "a screen in the hall" --network 10.0.0.0/8 --for 90d'],
  'user addresses': ['user addresses job 203.0.113.0/24', 'user addresses job --any'],
  'user methods': ['user methods ada --off sms'],
  'user recovery-code': ['user recovery-code ada'],
  'user invite-link': ['user invite-link ben'],
  'user login-link': ['user login-link ada'],
  'user message': ['user message ada --title "Your account" < words.txt'],
  'setup-link': ['setup-link'],
  'owner-link': ['owner-link olga'],
  'sessions list': ['sessions list', 'sessions list ada'],
  'sessions end': ['sessions end ada'],
  'sessions clear': ['sessions clear --group contractors --devices'],
  'locks list': ['locks list'],
  'locks end': ['locks end 203.0.113.9'],
  'tokens issue': ['tokens issue job --name nightly --path "/api/**" --expires 90d'],
  'tokens list': ['tokens list job'],
  'tokens revoke': ['tokens revoke 3mKq2v'],
  'settings show': ['settings show'],
  'settings preview': ['settings preview session.duration 12h'],
  'settings set': ['settings set secondFactor.required everyone'],
  'settings unset': ['settings unset session.duration'],
  'audit tail': ['audit tail --follow'],
  'audit search': ['audit search --user ada --since 2026-02-01', "audit search --event 'admin.*'"],
  'audit export': ['audit export --since 2026-01-01 > audit.jsonl'],
  'audit verify': ['audit verify'],
  import: ['import people.csv --dry-run', 'import users.htpasswd'],
  export: ['export people.csv'],
  backup: ['backup /var/backups/gatelodge.backup'],
  restore: ['restore /var/backups/gatelodge.backup'],
  'migrate-store': ['migrate-store --to gatelodge.valkey.yaml'],
  'keys show': ['keys show'],
  'keys new': ['keys new gatelodge.key'],
  'keys rotate': ['keys rotate'],
}

/** A command that does something, with its words, as in `user add`. */
export interface NamedCommand {
  readonly words: string
  readonly command: Command
}

/** Every command, in the order of the help. Groups, which do nothing themselves, are left out. */
export function commandsOf(program: Command, before: readonly string[] = []): readonly NamedCommand[] {
  return program.commands.flatMap((command) => {
    const words = [...before, command.name()]
    return command.commands.length > 0 ? commandsOf(command, words) : [{ words: words.join(' '), command }]
  })
}

/** Puts the examples of each command under its help. */
export function showExamples(program: Command): void {
  for (const { words, command } of commandsOf(program)) {
    const own = examples[words] ?? []
    if (own.length === 0) continue
    command.addHelpText('after', `\nExamples:\n${own.map((example) => `  $ gatelodge ${example}`).join('\n')}`)
  }
}
