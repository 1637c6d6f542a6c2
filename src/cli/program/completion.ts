import { Argument, type Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const

export type Shell = (typeof shells)[number]

/** `completion SHELL`: prints the script, made of every command there is. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print what makes a shell complete commands and options')
    .addArgument(new Argument('<shell>', 'which one').choices(shells))
    .action((shell: Shell) => {
      process.stdout.write(completionScript(program, shell))
    })
}

/** What may follow some words of a command. */
interface Following {
  /** As in `user add`; empty for the program itself. */
  readonly words: string
  readonly next: readonly { readonly word: string; readonly description: string }[]
}

/**
 * A script that makes the shell complete commands and options. It holds all of them and asks nothing: the program takes a
 * tenth of a second to start. After an option that takes a file, and wherever nothing fits, the shell completes files.
 */
export function completionScript(program: Command, shell: Shell): string {
  const all = followingOf(program)
  if (shell === 'fish') return fish(all)
  return shell === 'bash' ? bash(all) : zsh(all)
}

function followingOf(program: Command): readonly Following[] {
  const group = (command: Command, words: string): readonly Following[] => [
    { words, next: nextOf(command) },
    ...command.commands.flatMap((one) => group(one, words === '' ? one.name() : `${words} ${one.name()}`)),
  ]
  return group(program, '')
}

function nextOf(command: Command): Following['next'] {
  const commands = command.commands.map((one) => ({ word: one.name(), description: one.description() }))
  const options = command.options.flatMap(({ long, description }) => (long ? [{ word: long, description }] : []))
  return [...commands, ...options, { word: '--help', description: 'what it does' }]
}

function bash(all: readonly Following[]): string {
  return `# gatelodge completion bash > /etc/bash_completion.d/gatelodge
_gatelodge() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words="" next="" part
  for part in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$part" in -*) break ;; esac
    words="\${words:+$words }$part"
  done
  while :; do
    case "$words" in
${all.map(({ words, next }) => `      ${quoted(words)}) next=${quoted(next.map(({ word }) => word).join(' '))} ; break ;;`).join('\n')}
      *' '*) words="\${words% *}" ;;
      *) words="" ;;
    esac
  done
  COMPREPLY=($(compgen -W "$next" -- "$word"))
}
complete -o default -F _gatelodge gatelodge
`
}

function zsh(all: readonly Following[]): string {
  const lists = all.map(({ words, next }) => {
    const entries = next.map(({ word, description }) => quoted(`${word.replaceAll(':', '\\:')}:${description}`))
    return `      ${quoted(words)}) next=(${entries.join(' ')}); break ;;`
  })
  return `#compdef gatelodge
# gatelodge completion zsh > a directory of your fpath, as _gatelodge
_gatelodge() {
  local words_before="" part
  local -a next
  for part in "\${(@)words[2,CURRENT-1]}"; do
    [[ "$part" == -* ]] && break
    words_before="\${words_before:+$words_before }$part"
  done
  while true; do
    case "$words_before" in
${lists.join('\n')}
      *' '*) words_before="\${words_before% *}" ;;
      *) words_before="" ;;
    esac
  done
  _describe -t commands gatelodge next || _files
}
compdef _gatelodge gatelodge
`
}

function fish(all: readonly Following[]): string {
  const lines = all.flatMap(({ words, next }) => {
    const commands = next.filter(({ word }) => !word.startsWith('-')).map(({ word }) => word)
    const seen = words.split(' ').filter((word) => word !== '')
    const here = seen.map((word) => `__fish_seen_subcommand_from ${word}`)
    const notYet = commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${commands.join(' ')}`]
    const condition = [...here, ...notYet].join('; and ') || 'true'
    return next.map(({ word, description }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`
      return `complete -c gatelodge -n ${quoted(condition)} ${what} -d ${quoted(description)}`
    })
  })
  return `# gatelodge completion fish > ~/.config/fish/completions/gatelodge.fish\n${lines.join('\n')}\n`
}

/** For every shell alike: what stands between these quotes is not looked into. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
