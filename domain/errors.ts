/** The catalogue of error codes, and the one error class. A code is stable: callers branch on it, never on text. */

/** Canonical RPC names; each border (HTTP, Temporal, gRPC) maps the kind, never the code. */
export type ErrorKind =
  | 'invalid_argument'
  | 'unauthenticated'
  | 'permission_denied'
  | 'not_found'
  | 'already_exists'
  | 'failed_precondition'
  | 'resource_exhausted'
  | 'unavailable'
  | 'deadline_exceeded'
  | 'cancelled'
  | 'internal'

interface Entry {
  kind: ErrorKind
  retryable: boolean
}

const never = (kind: ErrorKind): Entry => ({ kind, retryable: false })
const again = (kind: ErrorKind): Entry => ({ kind, retryable: true })

/** Every code is explained, with what to do, in docs/reference/errors.md (a test holds the two together). */
export const catalogue = {
  request_invalid: never('invalid_argument'),
  text_invalid: never('invalid_argument'),
  body_too_large: never('invalid_argument'),
  headers_too_large: never('invalid_argument'),
  request_too_slow: again('deadline_exceeded'),
  cursor_invalid: never('invalid_argument'),
  pattern_invalid: never('invalid_argument'),
  search_too_wide: never('resource_exhausted'),
  target_required: never('invalid_argument'),
  target_invalid: never('invalid_argument'),
  target_empty: never('failed_precondition'),
  target_too_large: never('invalid_argument'),
  host_unknown: never('not_found'),
  group_unknown: never('not_found'),
  script_unknown: never('not_found'),
  script_in_use: never('failed_precondition'),
  secret_unknown: never('not_found'),
  secret_version_unknown: never('not_found'),
  secret_version_refused: never('failed_precondition'),
  secret_in_use: never('failed_precondition'),
  secret_too_large: never('invalid_argument'),
  job_unknown: never('not_found'),
  job_in_use: never('failed_precondition'),
  plan_unknown: never('not_found'),
  script_version_unknown: never('not_found'),
  script_version_refused: never('failed_precondition'),
  script_too_large: never('invalid_argument'),
  plan_invalid: never('invalid_argument'),
  plan_too_large: never('invalid_argument'),
  plan_circular: never('invalid_argument'),
  plan_too_deep: never('invalid_argument'),
  plan_revision_unknown: never('not_found'),
  plan_in_use: never('failed_precondition'),
  variable_unknown: never('invalid_argument'),
  variable_required: never('invalid_argument'),
  range_invalid: never('invalid_argument'),
  too_many_to_follow: never('invalid_argument'),
  idempotency_key_missing: never('invalid_argument'),

  credential_missing: never('unauthenticated'),
  credential_invalid: never('unauthenticated'),
  permission_denied: never('permission_denied'),
  not_found: never('not_found'),
  method_not_allowed: never('invalid_argument'),
  scope_unknown: never('not_found'),
  execution_unknown: never('not_found'),
  step_unknown: never('not_found'),
  bundle_unknown: never('not_found'),
  db_account_unknown: never('not_found'),
  db_account_invalid: never('invalid_argument'),
  db_account_in_use: never('failed_precondition'),
  join_token_unknown: never('not_found'),

  name_taken: never('already_exists'),
  idempotency_conflict: never('already_exists'),
  edit_conflict: never('already_exists'),
  launch_changed: never('failed_precondition'),
  confirmation_required: never('failed_precondition'),
  nothing_to_cancel: never('failed_precondition'),
  too_many_to_cancel: never('failed_precondition'),
  operation_refused: never('failed_precondition'),
  host_revoked: never('failed_precondition'),

  join_token_invalid: never('unauthenticated'),
  join_token_expired: never('unauthenticated'),
  join_token_used: never('unauthenticated'),
  certificate_missing: never('unauthenticated'),
  certificate_wrong: never('unauthenticated'),
  certificate_revoked: never('unauthenticated'),
  certificate_request_invalid: never('invalid_argument'),
  protocol_unsupported: never('failed_precondition'),
  session_superseded: again('unavailable'),
  session_silent: again('unavailable'),
  journal_conflict: never('failed_precondition'),
  journal_rolled_back: never('failed_precondition'),
  gateway_draining: again('unavailable'),
  gateway_name_taken: never('already_exists'),
  message_invalid: never('invalid_argument'),

  execution_expired: never('deadline_exceeded'),
  engine_terminated: never('internal'),
  execution_superseded: never('failed_precondition'),
  schema_mismatch: never('failed_precondition'),
  unavailable: again('unavailable'),
  internal: again('internal'),

  // Why a host's task did not start, or how it ended: a result's `reason`, said by the agent.
  order_signature_invalid: never('permission_denied'),
  order_expired: never('deadline_exceeded'),
  order_wrong_host: never('permission_denied'),
  order_wrong_journal: never('failed_precondition'),
  order_spec_mismatch: never('permission_denied'),
  order_secrets_mismatch: never('permission_denied'),
  secret_unreadable: never('failed_precondition'),
  dispatch_id_conflict: never('failed_precondition'),
  script_unavailable: again('unavailable'),
  policy_refused: never('permission_denied'),
  policy_unreadable: never('failed_precondition'),
  stopped_by_file: never('failed_precondition'),
  account_unknown: never('failed_precondition'),
  account_denied: never('permission_denied'),
  interpreter_missing: never('failed_precondition'),
  sql_runner_missing: never('failed_precondition'),
  working_directory_missing: never('failed_precondition'),
  capability_missing: never('failed_precondition'),
  task_invalid: never('invalid_argument'),
  start_failed: never('internal'),
  agent_disk_full: never('resource_exhausted'),
  spool_full: never('resource_exhausted'),
  variable_not_captured: never('failed_precondition'),
  timed_out: never('deadline_exceeded'),
  interrupted: never('internal'),
  rebooted: never('internal'),
  reboot_not_seen: never('deadline_exceeded'),

  // Why an agent was not changed to another version, or changed back.
  order_superseded: never('failed_precondition'),
  bundle_wrong_platform: never('failed_precondition'),
  bundle_unavailable: again('unavailable'),
  bundle_broken: never('failed_precondition'),
  bundle_crashed: never('internal'),
  bundle_no_session: never('deadline_exceeded'),
  upgrade_interrupted: again('internal'),
  rollout_stopped: never('failed_precondition'),

  // The same, said by the control plane.
  agent_offline: never('unavailable'),
  agent_lost: never('unavailable'),
  cancelled_by_operator: never('cancelled'),
  paused_hard: never('cancelled'),
  step_skipped: never('cancelled'),
  step_ended: never('cancelled'),
  host_skipped: never('cancelled'),
  script_edited: never('cancelled'),
  failure_ignored: never('cancelled'),
  run_undone: never('cancelled'),
  undo_left_out: never('cancelled'),
  nothing_to_undo: never('cancelled'),
  undone: never('cancelled'),
  undo_failed: never('failed_precondition'),
  undo_cancelled: never('cancelled'),
  undo_not_begun: never('failed_precondition'),
  condition_not_met: never('cancelled'),
  condition_failed: never('failed_precondition'),
  plan_left: never('cancelled'),
  variable_invalid: never('failed_precondition'),
  variable_disagreement: never('failed_precondition'),
  journal_lost: never('internal'),
  reboot_overdue: never('deadline_exceeded'),
  secret_unavailable: never('failed_precondition'),
  secret_key_unknown: never('failed_precondition'),
} satisfies Record<string, Entry>

export type ErrorCode = keyof typeof catalogue

/** Whether `text` is a code of the catalogue. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(catalogue, text)
}

/** What kept us from knowing or doing. A script that fails is a host result, never an error. */
export class PlatformError extends Error {
  override name = 'PlatformError'
  readonly code: ErrorCode
  /** Facts for a program, such as the number of hosts to confirm. */
  readonly details: Record<string, unknown> | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options?: { cause?: unknown; details?: Record<string, unknown> },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options?.details
  }

  get kind(): ErrorKind {
    return catalogue[this.code].kind
  }

  get retryable(): boolean {
    return catalogue[this.code].retryable
  }
}
