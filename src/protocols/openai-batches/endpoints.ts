/** What the lines of a batch may call. */
import { StudioError } from '../../core/errors.ts';

/** "Before you start": a free rehearsal, under a path and a model of its own, whose answer is always the same. */
export const DRY_RUN_ENDPOINT = '/v1/chat/ds-test';
export const DRY_RUN_MODEL = 'batch-test-model';

/** The service has Chat; the others are served because this server generates there too. */
const GENERATING_ENDPOINTS = ['/v1/chat/completions', '/v1/completions', '/v1/responses'];

const ENDPOINTS = [...GENERATING_ENDPOINTS, DRY_RUN_ENDPOINT];

export function isEndpoint(url: string): boolean {
  return ENDPOINTS.includes(url);
}

/** Throws for an endpoint that no batch can have. */
export function checkEndpoint(endpoint: string): void {
  if (isEndpoint(endpoint)) return;
  const known = ENDPOINTS.map((each) => `'${each}'`).join(', ');
  const reason =
    endpoint === '/v1/embeddings'
      ? "The endpoint '/v1/embeddings' is not supported: this server makes no embeddings."
      : `The endpoint '${endpoint}' is not supported by the Batch API.`;
  throw new StudioError('invalid-parameter', `${reason} Supported: ${known}.`, { param: 'endpoint' });
}

/** The body of a line as it is called: not streamed, and answered in the same call (Responses can be put off). */
export function calledBody(body: { readonly [key: string]: unknown }): string {
  return JSON.stringify({ ...body, stream: false, stream_options: undefined, background: undefined });
}
