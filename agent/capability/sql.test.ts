import { readOptions } from '../sql/options'
import { makeDispatch } from '../testing/orders'
import { decodeSpec } from '../task/order'
import { checkSql, runnerOptions } from './sql'
import { generateKeyPairSync } from 'node:crypto'

const sql = {
  engine: 'mysql',
  host: '/run/my sql.sock',
  port: 3307,
  database: '--engine=postgresql',
  user: "o'neil",
  sslMode: 'disable',
  caFile: '',
  format: 'csv',
  onError: 'stop',
  transaction: true,
}

function taskWith(secretNames: string[]) {
  const by = {
    hostId: '1',
    journalId: 'j',
    signingKeyId: 'k',
    signingKey: generateKeyPairSync('ed25519').privateKey,
    blobs: new Map<string, Buffer>(),
    now: () => 0,
  }
  const dispatch = makeDispatch(by, { text: 'select 1', language: 'sql', sql, secretNames })
  const task = decodeSpec(dispatch.spec)?.task
  if (!task) throw new Error('there is no task')
  return task.value
}

it.each([
  ['with a password', ['PASSWORD'], '/secrets/x', '/secrets/x/PASSWORD'],
  ['without one', [], undefined, undefined],
])('says to the runner what the order says, whatever the values look like, %s', (_, names, folder, file) => {
  const words = runnerOptions(taskWith(names), folder)
  expect(readOptions([...words, '/spool/x/script.sql'])).toEqual({
    ...sql,
    script: '/spool/x/script.sql',
    caFile: undefined,
    passwordFile: file,
  })
})

it('takes no secret that its runner has no use for', () => {
  expect(checkSql(taskWith(['PASSWORD']))).toBeUndefined()
  expect(checkSql(taskWith(['TOKEN']))).toMatch(/no secret but PASSWORD/)
})
