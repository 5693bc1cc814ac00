/** Errors at gRPC's border: the kind becomes the status, the code goes along as metadata. */
import { Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { type ErrorKind, PlatformError } from '../domain/errors.js'

const statuses: Record<ErrorKind, status> = {
  invalid_argument: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  failed_precondition: status.FAILED_PRECONDITION,
  resource_exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  internal: status.INTERNAL,
}

/** What an agent is told of `error`; one that is not ours says nothing of our inside. */
export function toStatus(error: unknown): Partial<StatusObject> & { code: status; details: string } {
  const known =
    error instanceof PlatformError
      ? error
      : new PlatformError('unavailable', 'the gateway cannot do this now; try again')
  const metadata = new Metadata()
  metadata.set('drover-code', known.code)
  return { code: statuses[known.kind], details: known.message, metadata }
}
