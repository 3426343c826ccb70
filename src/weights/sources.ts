/** What a channel for weights is: it opens a file at an offset. Which bytes are right is decided by the digest alone. */
import type { HubFile, WheelParts } from './weights-catalogue.ts';

/** A file that is wanted, and every way to name it. */
export interface WantedFile {
  readonly name: string;
  readonly fileName: string;
  readonly sizeBytes: number | null;
  readonly sha256: string | null;
  readonly hub?: HubFile | undefined;
  readonly modelScope?: HubFile | undefined;
  readonly wheels?: WheelParts | undefined;
}

/** A file that is being read. */
export interface OpenedFile {
  /** Where the body really begins: the offset asked for, or 0 when the source cannot skip. */
  readonly startsAt: number;
  readonly totalBytes: number | null;
  /** The digest the source promises for the whole file, for weights whose official one is not known. */
  readonly sha256: string | null;
  readonly body: AsyncIterable<Uint8Array>;
}

/** One channel. `open` throws a `SourceError` when it does not have the file or does not answer in time. */
export interface WeightsSource {
  readonly id: string;
  has(wanted: WantedFile): boolean;
  open(wanted: WantedFile, offset: number, signal: AbortSignal): Promise<OpenedFile>;
}

/** Why a channel gave nothing, for a person to read. */
export class SourceError extends Error {}

/** The file has no byte at the offset asked for: what is here already is longer than it, so it must be another file. */
export class OffsetError extends SourceError {}

/** It gave part of the file and broke off; worth asking for the rest. */
export class BrokenOffError extends SourceError {}

/** The words of anything thrown, down to the cause that says most (`getaddrinfo ENOTFOUND …`). */
export function reasonOf(thrown: unknown): string {
  let reason = thrown;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  // Several addresses of one host fail together and say nothing in sum.
  if (reason instanceof AggregateError && reason.errors[0]) reason = reason.errors[0];
  return reason instanceof Error ? reason.message || reason.name : String(reason);
}
