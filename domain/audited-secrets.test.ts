import { auditedSecrets } from './audited-secrets.js'
import { jobStepsSchema } from './job.schema.js'
import { variablesSchema } from './variable.schema.js'

describe('the secrets in an audit', () => {
  it('are those that steps, visits, definitions and values name, each once, and no value', () => {
    const steps = jobStepsSchema.parse([
      { name: 'one', script: 'true', secrets: { A: 'of-step@3', B: 'twice' } },
      { type: 'plan', name: 'in', plan: 'a/x@1', values: { C: { secret: 'of-visit' }, D: 'a text' } },
    ])
    const variables = variablesSchema.parse([
      { name: 'E', type: 'secret', value: { secret: 'of-definition@2' } },
      { name: 'F', type: 'secret', value: 'a value' },
      { name: 'G', type: 'map', value: { secret: 'no-secret' } },
      { name: 'H', type: 'secret' },
    ])
    const values = {
      I: { secret: 'of-launch' },
      J: { secret: 'twice' },
      K: { secret: 'some words' },
      L: '******',
    }
    expect(auditedSecrets({ steps, variables, values })).toEqual([
      'of-step@3',
      'twice',
      'of-visit',
      'of-definition@2',
      'of-launch',
    ])
    expect(auditedSecrets({})).toEqual([])
  })
})
