/** Ledgers for tests. */
import type { PlatformState, PlatformWatch } from '../../src/core/platform.ts';
import type { ClosedCall, Ledger, OpenedCall, Receipt } from '../../src/core/ports.ts';
import type { QuotaSum, ReceiptStore, SpendingSum } from '../../src/core/receipts.ts';
import type { Usage } from '../../src/core/usage.ts';

export interface RecordingLedger extends Ledger {
  readonly opened: (OpenedCall & { readonly soFar: () => Usage })[];
  readonly receipts: Receipt[];
}

/** A ledger that keeps what it was told, and charges a nano-yuan a token of output. */
export function recordingLedger(): RecordingLedger {
  const opened: RecordingLedger['opened'] = [];
  const receipts: Receipt[] = [];
  return {
    opened,
    receipts,
    open: (call, soFar) => {
      opened.push({ ...call, soFar });
      return {
        close: (closed: ClosedCall) => {
          const { isStreaming, ...known } = call;
          const nano = closed.usage.output.total;
          const charge = { lines: [{ item: 'output_token', tokens: nano, nano }], totalNano: nano, freeTokens: 0 };
          const receipt = { ...known, ...closed, charge };
          receipts.push(receipt);
          return receipt;
        },
      };
    },
    flush: async () => {},
  };
}

/** What the administrator may set, changed by hand. */
export function platformWatch(): Pick<PlatformWatch, 'onChange'> & { set(changes: Partial<PlatformState>): void } {
  let state: PlatformState = { revision: 1, workspaces: [], keys: [], prices: [], freeTierOnly: [] };
  const listeners: ((state: PlatformState) => void)[] = [];
  return {
    onChange: (listener) => {
      listeners.push(listener);
      listener(state);
    },
    set: (changes) => {
      state = { ...state, ...changes };
      for (const listener of listeners) listener(state);
    },
  };
}

export interface MemoryReceiptStore extends ReceiptStore {
  readonly receipts: Receipt[];
  spending: SpendingSum[];
  quotas: QuotaSum[];
  /** Thrown at every attempt to write. */
  failure: Error | undefined;
  /** Writing waits for it. */
  hold: Promise<void> | undefined;
  isUnwritable: (receipt: Receipt) => boolean;
}

/** Keeps receipts in a list, and adds up nothing by itself. */
export function memoryReceiptStore(): MemoryReceiptStore {
  const store: MemoryReceiptStore = {
    receipts: [],
    spending: [],
    quotas: [],
    failure: undefined,
    hold: undefined,
    isUnwritable: () => false,
    write: async (calls) => {
      await store.hold;
      if (store.failure) throw store.failure;
      const known = new Set(store.receipts.map(({ receiptId }) => receiptId));
      const writable = calls.filter(({ receipt }) => !store.isUnwritable(receipt));
      store.receipts.push(...writable.map(({ receipt }) => receipt).filter(({ receiptId }) => !known.has(receiptId)));
      return calls.filter((call) => !writable.includes(call)).map((call) => ({ call, error: new Error('wrong') }));
    },
    sums: async () => ({ spending: store.spending, quotas: store.quotas }),
  };
  return store;
}
