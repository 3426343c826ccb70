/** `/admin/usage`, `/admin/bill`, `/admin/requests`: as JSON in pages, or whole as CSV (`format=csv`). */
import { StudioError } from '../core/errors.ts';
import type { AdminReply, AdminResource } from './api.ts';
import type { BillRequest, KindsRequest, RequestsRequest, UsageRequest } from './report-contract.ts';
import { billCsv, kindsCsv, requestsCsv, usageCsv } from './report-csv.ts';
import type { AdminReports } from './reports.ts';

export function reportResources(reports: AdminReports): AdminResource[] {
  return [
    listing(
      '/usage',
      (request: UsageRequest | KindsRequest) => (isOfKinds(request) ? reports.kinds(request) : reports.usage(request)),
      (request) => (isOfKinds(request) ? kindsCsv(reports, request) : usageCsv(reports, request)),
    ),
    listing(
      '/bill',
      (request: BillRequest) => reports.bill(request),
      (request) => billCsv(reports, request),
    ),
    listing(
      '/requests',
      (request: RequestsRequest) => reports.requests(request),
      (request) => requestsCsv(reports, request),
    ),
    {
      method: 'GET',
      path: '/requests/:receiptId',
      handle: async ({ params }) => ({ status: 200, body: await reports.request(params.receiptId ?? '') }),
    },
  ];
}

function isOfKinds(request: UsageRequest | KindsRequest): request is KindsRequest {
  return request.by === 'kind';
}

function listing<Request>(
  path: string,
  page: (request: Request) => Promise<unknown>,
  csv: (request: Request) => AsyncGenerator<string>,
): AdminResource {
  return {
    method: 'GET',
    path,
    handle: async ({ query }) => {
      // The reports check what they are asked.
      const request = Object.fromEntries(query) as Request;
      if (query.get('format') !== 'csv') return { status: 200, body: await page(request) };
      return csvReply(path.slice(1), csv(request));
    },
  };
}

/** The first page is read before anything is sent: what is wrong with the request is told as ever. */
async function csvReply(name: string, pages: AsyncGenerator<string>): Promise<AdminReply> {
  const first = await pages.next();
  if (first.done) throw new StudioError('internal', undefined, { cause: new Error('a report had not even a header') });
  return {
    status: 200,
    headers: {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${name}.csv"`,
    },
    stream: rest(first.value, pages),
  };
}

async function* rest(first: string, pages: AsyncGenerator<string>): AsyncGenerator<string> {
  yield first;
  yield* pages;
}
