/** Why an agent refuses an order: a code, and a sentence that tells an operator what to do. */

export type RefusalCode =
  | 'order_signature_invalid'
  | 'order_expired'
  | 'order_wrong_host'
  | 'order_wrong_journal'
  | 'order_spec_mismatch'
  | 'order_secrets_mismatch'
  | 'secret_unavailable'
  | 'secret_unreadable'
  | 'dispatch_id_conflict'
  | 'script_unavailable'
  | 'policy_refused'
  | 'policy_unreadable'
  | 'stopped_by_file'
  | 'account_unknown'
  | 'account_denied'
  | 'interpreter_missing'
  | 'sql_runner_missing'
  | 'working_directory_missing'
  | 'task_invalid'
  | 'capability_missing'
  | 'agent_disk_full'
  | 'spool_full'
  | 'start_failed'
  | 'order_superseded'
  | 'bundle_wrong_platform'
  | 'bundle_unavailable'
  | 'bundle_broken'

export interface Refusal {
  code: RefusalCode
  detail: string
}

export function refuse(code: RefusalCode, detail: string): Refusal {
  return { code, detail }
}

export function isRefusal(value: object): value is Refusal {
  return 'code' in value && 'detail' in value
}
