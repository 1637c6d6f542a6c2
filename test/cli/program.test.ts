import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { commandsOf, examples } from '../../src/cli/program/examples.js'
import { programOf } from '../../src/cli/program/program.js'
import { runGatelodge } from '../support/gateway.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

t.setTimeout(240_000)

const password = 'seven herons over the weir'
const all = commandsOf(programOf())

t.test('every command has examples, and they are commands with options that exist', async (t) => {
  t.same(Object.keys(examples).sort(), all.map(({ words }) => words).sort())
  for (const [words, own] of Object.entries(examples)) {
    const command = all.find((one) => one.words === words)?.command
    for (const example of own) {
      t.ok(example === words || example.startsWith(`${words} `), example)
      const known = command?.options.flatMap(({ long, short }) => [long, short]) ?? []
      for (const [option] of example.matchAll(/(?<= )--?[a-z][\w-]*/g))
        t.ok(known.includes(option), `${example}: ${option}`)
    }
  }
  const help = await runGatelodge(['user', 'add', '--help'])
  t.equal(help.code, 0)
  t.match(help.stdout, 'Examples:\n  $ gatelodge user add ada --email ada@example.com')
})

t.test('what an operation did is answered in JSON where a script asks for it', async (t) => {
  const cwd = await temporaryDirectory(t)
  await writeFile(join(cwd, 'gatelodge.yaml'), 'sites: [{ upstream: "http://127.0.0.1:1" }]\n')
  const json = async (...words: string[]) => {
    const { code, stdout, stderr } = await runGatelodge([...words, '--json'], { cwd, input: password })
    t.equal(code, 0, `${words.join(' ')}: ${stderr}`)
    return { answer: JSON.parse(stdout) as Record<string, unknown>, stderr }
  }
  const added = await json('user', 'add', 'ada', '--password-stdin')
  t.match(added.answer, { username: 'ada', role: 'user', status: 'active' })
  t.match(added.stderr, 'Added ada (user).', 'the words for people are beside it')
  t.match((await json('user', 'role', 'ada', 'support')).answer, { username: 'ada', role: 'support' })
  t.match((await json('user', 'deactivate', 'ada')).answer, { username: 'ada', status: 'deactivated' })
  t.match((await json('user', 'exempt', 'ada', '--reason', 'a screen')).answer, { exemption: { reason: 'a screen' } })
  t.match((await json('sessions', 'end', 'ada')).answer, { username: 'ada' })
  await writeFile(join(cwd, 'people.csv'), 'username\nben\n')
  t.match((await json('import', 'people.csv')).answer, { added: 1 })

  const refused = await runGatelodge(['user', 'activate', 'nobody', '--json'], { cwd })
  t.equal(refused.code, 1)
  t.equal(refused.stdout, '', 'a script that reads an answer finds none')
  t.match(refused.stderr, 'There is no user "nobody"')
})

t.test('every command that changes something can answer in JSON', async (t) => {
  // What they make is a file, a secret on standard output, or a process that runs.
  const without = [
    'init',
    'start',
    'reload',
    'demo',
    'schema',
    'version',
    'completion',
    'export',
    'backup',
    'restore',
    'migrate-store',
  ]
  for (const { words, command } of all) {
    const has = command.options.some(({ long }) => long === '--json')
    t.equal(has, !without.includes(words), words)
  }
})

t.test('bash completes commands and options', async (t) => {
  const cwd = await temporaryDirectory(t)
  const { stdout: script } = await runGatelodge(['completion', 'bash'])
  await writeFile(join(cwd, 'completion.bash'), script)
  const complete = async (...words: string[]) => {
    const line = words.map((word) => `'${word}'`).join(' ')
    const ask = `source ./completion.bash; COMP_WORDS=(gatelodge ${line}); COMP_CWORD=${words.length}; _gatelodge; echo "\${COMPREPLY[@]}"`
    return (await promisify(execFile)('bash', ['-c', ask], { cwd })).stdout.trim().split(' ')
  }
  t.same(await complete('use'), ['user'])
  t.same(
    await complete('user', 're'),
    ['refuse', 'require', 'reset-second-factor', 'recovery-code'].sort(byHelp(['user'])),
  )
  t.same(await complete('user', 'add', '--e'), ['--email'])
  t.same(await complete('user', 'add', 'ada', '--r'), ['--role'], 'behind a name')
  t.same(await complete('init', '--upstream', 'http://127.0.0.1:3000', '--u'), ['--upstream', '--url'])
  t.same(await complete('keys', 'r'), ['rotate'])
  t.same(await complete('nothing', 'st'), ['start'], 'what is no command ends nothing')
})

t.test('scripts for the other shells hold every command; another shell is refused', async (t) => {
  for (const shell of ['zsh', 'fish']) {
    const { code, stdout } = await runGatelodge(['completion', shell])
    t.equal(code, 0)
    for (const { words } of all) t.match(stdout, words.split(' ').at(-1) ?? '', `${shell}: ${words}`)
  }
  const unknown = await runGatelodge(['completion', 'tcsh'])
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, 'Allowed choices are bash, zsh, fish')
})

t.test('a port that is none is refused before anything starts', async (t) => {
  for (const port of ['0', '70000', 'http', '-1']) {
    const { code, stderr } = await runGatelodge(['demo', `--port=${port}`])
    t.equal(code, 2, port)
    t.match(stderr, 'is no port: it is a number from 1 to 65535')
  }
})

/** In the order of the help, as the shell gets them. */
function byHelp(words: readonly string[]) {
  const group = programOf().commands.find((command) => command.name() === words[0])
  const order = group?.commands.map((command) => command.name()) ?? []
  return (a: string, b: string) => order.indexOf(a) - order.indexOf(b)
}
