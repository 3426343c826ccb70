/** Reports as CSV, page by page as they are read: nothing is gathered in memory, however long the report. */
import { type CsvCell, csvLine } from '../core/csv.ts';
import type { BillRequest, KindsRequest, RequestsRequest, UsageRequest } from './report-contract.ts';
import type { AdminReports } from './reports.ts';

const PAGE = 1000;

type Csv = AsyncGenerator<string, void, undefined>;

const SUMS = ['calls', 'inputTokens', 'cachedTokens', 'writtenTokens', 'outputTokens', 'reasoningTokens'] as const;
const SUM_COLUMNS = ['calls', 'input_tokens', 'cached_tokens', 'written_tokens', 'output_tokens', 'reasoning_tokens'];

export function usageCsv(reports: AdminReports, request: UsageRequest): Csv {
  const header = [request.by ?? 'day', 'name', ...SUM_COLUMNS, 'free_tokens', 'charge_yuan'];
  return csvOf(header, request, async (page) => {
    const { items, nextCursor } = await reports.usage(page);
    const rows = items.map((row) => [
      row.group,
      row.name,
      ...SUMS.map((name) => row[name]),
      row.freeTokens,
      row.chargeYuan,
    ]);
    return { rows, nextCursor };
  });
}

export function kindsCsv(reports: AdminReports, request: KindsRequest): Csv {
  return csvOf(['kind', 'part_of', 'tokens', 'charge_yuan'], request, async (page) => {
    const { items, nextCursor } = await reports.kinds(page);
    return {
      rows: items.map(({ kind, partOf, tokens, chargeYuan }) => [kind, partOf, tokens, chargeYuan]),
      nextCursor,
    };
  });
}

export function billCsv(reports: AdminReports, request: BillRequest): Csv {
  const header = ['instance', 'region', 'workspace', 'key', 'model', 'item', 'channel', 'is_free', 'tokens', 'unit'];
  return csvOf([...header, 'yuan'], request, async (page) => {
    const { items, nextCursor } = await reports.bill(page);
    const rows = items.map((line) => [
      line.instance,
      line.region,
      line.workspaceId,
      line.keyId,
      line.model,
      line.item,
      line.channel,
      line.isFree,
      line.tokens,
      line.unit,
      line.yuan,
    ]);
    return { rows, nextCursor };
  });
}

export function requestsCsv(reports: AdminReports, request: RequestsRequest): Csv {
  return csvOf(REQUEST_COLUMNS, request, async (page) => {
    const { items, nextCursor } = await reports.requests(page);
    const rows = items.map((each) => [
      new Date(each.startedAtMs).toISOString(),
      each.receiptId,
      each.requestId,
      each.region,
      each.workspaceId,
      each.keyId,
      each.keyName,
      each.protocol,
      each.priority,
      each.model,
      each.servedBy,
      each.ending,
      each.errorCode,
      Math.round(each.totalMs),
      each.firstTokenMs === null ? null : Math.round(each.firstTokenMs),
      each.inputTokens,
      each.cachedTokens,
      each.writtenTokens,
      each.outputTokens,
      each.reasoningTokens,
      each.freeTokens,
      each.chargeYuan,
    ]);
    return { rows, nextCursor };
  });
}

const REQUEST_COLUMNS = [
  'started_at',
  'receipt',
  'request',
  'region',
  'workspace',
  'key',
  'key_name',
  'protocol',
  'priority',
  'model',
  'served_by',
  'ending',
  'error',
  'total_ms',
  'first_token_ms',
  'input_tokens',
  'cached_tokens',
  'written_tokens',
  'output_tokens',
  'reasoning_tokens',
  'free_tokens',
  'charge_yuan',
];

interface CsvPage {
  readonly rows: readonly (readonly CsvCell[])[];
  readonly nextCursor: string | null;
}

async function* csvOf<Request extends { readonly after?: string | undefined; readonly limit?: unknown }>(
  header: readonly string[],
  request: Request,
  read: (request: Request) => Promise<CsvPage>,
): Csv {
  let after = request.after;
  let before = csvLine(header);
  do {
    const { rows, nextCursor } = await read({ ...request, limit: PAGE, after });
    yield before + rows.map(csvLine).join('');
    before = '';
    after = nextCursor ?? undefined;
  } while (after !== undefined);
}
