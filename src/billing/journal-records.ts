/**
 * The lines of the journal: one JSON object each. A call is named by a number that no other call of the journal has.
 *
 *     {"open":7,"call":{…}}                                     a call began
 *     {"progress":[[7,…counts]],"atMs":…}                       what open calls had used by then
 *     {"closed":7,"receipt":[…],"usage":[…counts],"quota":{…}}  it ended; the receipt is whole
 *     {"stored":[7]}                                            the database has the receipts
 *
 * Counts and receipts are written without the names of their members: every call waits for the line of its end.
 * There is no prompt, answer or key in it, only what stands on a receipt.
 */
import type { OpenedCall, Receipt } from '../core/ports.ts';
import type { SettledCall } from '../core/receipts.ts';
import { NO_USAGE, type Usage } from '../core/usage.ts';

export function openLine(number: number, call: OpenedCall): string {
  return `{"open":${number},"call":${JSON.stringify(call)}}\n`;
}

export function progressLine(calls: Iterable<readonly [number, Usage]>, atMs: number): string {
  let counts = '';
  for (const [number, usage] of calls) counts += `${counts === '' ? '' : ','}[${number},${countsOf(usage)}]`;
  return `{"progress":[${counts}],"atMs":${atMs}}\n`;
}

export function closedLine(number: number, { receipt, quota }: SettledCall): string {
  const drawn = quota ? `,"quota":${JSON.stringify(quota)}` : '';
  return `{"closed":${number},"receipt":${JSON.stringify(membersOf(receipt))},"usage":[${countsOf(receipt.usage)}]${drawn}}\n`;
}

export function storedLine(numbers: readonly number[]): string {
  return `{"stored":[${numbers.join(',')}]}\n`;
}

/** The counts in a fixed order; hosted tools come last as they are. */
function countsOf({ input, output, hostedTools }: Usage): string {
  const tools = hostedTools ? `,${JSON.stringify(hostedTools)}` : '';
  return `${input.total},${input.cachedRead},${input.markedRead ?? null},${input.cacheWritten},${input.image},${input.video},${input.audio},${input.toolDefinitions},${output.total},${output.reasoning},${output.audio}${tools}`;
}

/** All but the usage, in a fixed order; what is absent is null. */
function membersOf(receipt: Receipt) {
  return [
    receipt.receiptId,
    receipt.requestId,
    receipt.protocol,
    receipt.keyId,
    receipt.workspaceId,
    receipt.region,
    receipt.priority,
    receipt.model,
    receipt.servedBy,
    receipt.ending,
    receipt.errorCode ?? null,
    receipt.startedAtMs,
    receipt.totalMs,
    receipt.firstTokenMs ?? null,
    receipt.charge,
  ] as const;
}

type ReceiptMembers = ReturnType<typeof membersOf>;

function receiptOf(members: ReceiptMembers, counts: Counts): Receipt {
  const [receiptId, requestId, protocol, keyId, workspaceId, region, priority, model, servedBy, ...rest] = members;
  const [ending, errorCode, startedAtMs, totalMs, firstTokenMs, charge] = rest;
  return {
    receiptId,
    requestId,
    protocol,
    keyId,
    workspaceId,
    region,
    priority,
    model,
    servedBy,
    usage: usageOf(counts),
    ending,
    ...(errorCode === null ? {} : { errorCode }),
    startedAtMs,
    totalMs,
    ...(firstTokenMs === null ? {} : { firstTokenMs }),
    charge,
  };
}

/** A call of the journal whose receipt the database may not have. */
export interface FoundCall {
  readonly number: number;
  call: OpenedCall | undefined;
  usage: Usage;
  settled: SettledCall | undefined;
}

/** Reads lines in the order in which they were written, those of older files first. */
export class JournalReader {
  readonly #calls = new Map<number, FoundCall>();
  /** Lines that a kill or a full disk cut off. */
  brokenLines = 0;
  lastNumber = 0;
  /** The newest time in the journal: calls that were open then lasted at least so long. */
  lastAtMs = 0;

  /** What was not told to be stored, oldest first, whichever was written first. */
  get calls(): readonly FoundCall[] {
    const known = [...this.#calls.values()].filter(({ call, settled }) => call || settled);
    return known.sort((a, b) => a.number - b.number);
  }

  read(text: string): void {
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const record = parse(line);
      if (record) this.#apply(record);
      else this.brokenLines++;
    }
  }

  #apply(record: JournalRecord): void {
    if ('open' in record) {
      this.#found(record.open).call = record.call;
      this.#heard(record.call.startedAtMs);
    } else if ('closed' in record) {
      const { closed, quota } = record;
      const receipt = receiptOf(record.receipt, record.usage);
      this.#found(closed).settled = { receipt, quota };
      this.#heard(receipt.startedAtMs + receipt.totalMs);
    } else if ('stored' in record) {
      for (const number of record.stored) this.#calls.delete(number);
    } else {
      for (const [number, ...counts] of record.progress) this.#found(number).usage = usageOf(counts);
      this.#heard(record.atMs);
    }
  }

  #heard(atMs: number): void {
    this.lastAtMs = Math.max(this.lastAtMs, atMs);
  }

  #found(number: number): FoundCall {
    const known = this.#calls.get(number);
    if (known) return known;
    const found: FoundCall = { number, call: undefined, usage: NO_USAGE, settled: undefined };
    this.#calls.set(number, found);
    this.lastNumber = Math.max(this.lastNumber, number);
    return found;
  }
}

type Counts = readonly (number | null | { readonly [kind: string]: number })[];

type JournalRecord =
  | { readonly open: number; readonly call: OpenedCall }
  | { readonly progress: readonly (readonly [number, ...Counts])[]; readonly atMs: number }
  | {
      readonly closed: number;
      readonly receipt: ReceiptMembers;
      readonly usage: Counts;
      readonly quota?: SettledCall['quota'];
    }
  | { readonly stored: readonly number[] };

const KINDS = ['open', 'progress', 'closed', 'stored'];

function parse(line: string): JournalRecord | undefined {
  try {
    const record: unknown = JSON.parse(line);
    const isOurs = typeof record === 'object' && record !== null && KINDS.some((kind) => kind in record);
    return isOurs && isWhole(record) ? (record as JournalRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** A receipt is told by the places of its members: what has no places is another version's. */
function isWhole(record: object): boolean {
  if (!('closed' in record)) return true;
  return 'receipt' in record && Array.isArray(record.receipt) && 'usage' in record && Array.isArray(record.usage);
}

function usageOf(counts: Counts): Usage {
  const count = (position: number): number => {
    const value = counts[position];
    return typeof value === 'number' ? value : 0;
  };
  const markedRead = counts[2];
  const hostedTools = counts[11];
  return {
    input: {
      total: count(0),
      cachedRead: count(1),
      ...(typeof markedRead === 'number' ? { markedRead } : {}),
      cacheWritten: count(3),
      image: count(4),
      video: count(5),
      audio: count(6),
      toolDefinitions: count(7),
    },
    output: { total: count(8), reasoning: count(9), audio: count(10) },
    ...(typeof hostedTools === 'object' && hostedTools !== null ? { hostedTools } : {}),
  };
}
