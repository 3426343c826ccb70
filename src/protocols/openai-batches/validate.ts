/** Checks the input of a batch line by line, before any line is called. */
import type { BatchError } from '../../core/batches.ts';
import type { Account } from '../../core/ports.ts';
import type { ListedModel, WirePorts } from '../protocol.ts';
import { DRY_RUN_ENDPOINT, DRY_RUN_MODEL, isEndpoint } from './endpoints.ts';
import { type FileLine, linesOf } from './lines.ts';
import { type InputLine, inputLineSchema } from './schema.ts';

interface InputLimits {
  readonly lines: number;
  readonly bytes: number;
}

/** "Input file": up to 50,000 requests and 500 MB; for a dry run up to 100 and 1 MB. */
const LIMITS: InputLimits = { lines: 50_000, bytes: 500 * 1024 * 1024 };
const DRY_RUN_LIMITS: InputLimits = { lines: 100, bytes: 1024 * 1024 };

/** A line may be as long as the body of a live call without media. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** More help nobody to mend a file. */
const MAX_ERRORS = 100;

export interface Validated {
  /** Lines there are. */
  readonly total: number;
  /** None when the batch may run. */
  readonly errors: readonly BatchError[];
}

/** What was found until `signal` aborted, or until it was enough. */
export async function validateInput(
  input: AsyncIterable<Uint8Array>,
  endpoint: string,
  ports: Pick<WirePorts, 'findModel'>,
  account: Account,
  signal: AbortSignal,
): Promise<Validated> {
  const check = new InputCheck(endpoint, (model) => ports.findModel(model, account));
  for await (const line of linesOf(check.measured(input), MAX_LINE_BYTES)) {
    check.add(line);
    if (check.isHopeless || signal.aborted) break;
  }
  return check.end();
}

/** As the batch's account may ask for it. */
type FindModel = (id: string) => ListedModel | undefined;

class InputCheck {
  readonly #endpoint: string;
  readonly #findModel: FindModel;
  readonly #limits: InputLimits;
  readonly #errors: BatchError[] = [];
  /** The line of each `custom_id`. */
  readonly #seen = new Map<string, number>();
  #bytes = 0;
  #total = 0;
  /** What the first line calls; every other line has to call the same. */
  #model: string | undefined;
  isHopeless = false;

  constructor(endpoint: string, findModel: FindModel) {
    this.#endpoint = endpoint;
    this.#findModel = findModel;
    this.#limits = endpoint === DRY_RUN_ENDPOINT ? DRY_RUN_LIMITS : LIMITS;
  }

  async *measured(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of input) {
      this.#bytes += piece.length;
      if (this.#bytes > this.#limits.bytes) {
        const most = this.#limits.bytes / (1024 * 1024);
        this.#fail({ code: 'file_too_large', message: `The input file exceeds ${most} MB.`, param: null, line: null });
        return;
      }
      yield piece;
    }
  }

  add(line: FileLine): void {
    if (this.isHopeless) return;
    this.#total++;
    if (this.#total > this.#limits.lines) {
      const message = `The input file contains more than ${this.#limits.lines} requests.`;
      this.#fail({ code: 'too_many_requests', message, param: null, line: null });
      return;
    }
    const error = this.#errorOf(line);
    if (error) this.#errors.push({ ...error, line: line.number });
    this.isHopeless = this.#errors.length >= MAX_ERRORS;
  }

  end(): Validated {
    if (this.#total === 0 && this.#errors.length === 0)
      this.#fail({ code: 'empty_file', message: 'The input file contains no requests.', param: null, line: null });
    return { total: this.#total, errors: this.#errors };
  }

  #fail(error: BatchError): void {
    this.#errors.push(error);
    this.isHopeless = true;
  }

  #errorOf({ number, text }: FileLine): Omit<BatchError, 'line'> | undefined {
    if (text === undefined)
      return problem('line_too_long', `The line exceeds ${MAX_LINE_BYTES / (1024 * 1024)} MB.`, null);
    const json = parseObject(text);
    if (!json) return problem('invalid_json_line', 'This line is not parseable as a JSON object.', null);
    const parsed = inputLineSchema.safeParse(json);
    if (!parsed.success) return missing(json, parsed.error.issues[0]?.path.join('.') ?? '');
    const line = parsed.data;
    const earlier = this.#seen.get(line.custom_id);
    if (earlier !== undefined)
      return problem(
        'duplicate_custom_id',
        `The custom_id '${line.custom_id}' was already used in line ${earlier}.`,
        'custom_id',
      );
    this.#seen.set(line.custom_id, number);
    return targetProblem(line, this.#endpoint) ?? this.#modelProblem(line.body.model);
  }

  #modelProblem(model: string): Omit<BatchError, 'line'> | undefined {
    if (this.#model !== undefined && model !== this.#model)
      return problem(
        'mismatched_model',
        `The provided model '${model}' does not match the model '${this.#model}' of the lines before: a file is for one model.`,
        'body.model',
      );
    if (this.#model !== undefined) return undefined;
    this.#model = model;
    if (model === DRY_RUN_MODEL || this.#findModel(model)?.servedBy !== undefined) return undefined;
    return problem(
      'model_not_found',
      `The model \`${model}\` does not exist or you do not have access to it.`,
      'body.model',
    );
  }
}

/** Method and URL; the texts for an unknown URL and for the test model are recorded. */
function targetProblem({ method, url, body }: InputLine, endpoint: string): Omit<BatchError, 'line'> | undefined {
  if (method !== 'POST')
    return problem('invalid_method', `The provided method '${method}' is not supported, use 'POST'.`, 'method');
  if (!isEndpoint(url))
    return problem('url_not_found', `The provided url '${url}' is not supported by the Batch API.`, 'url');
  if ((body.model === DRY_RUN_MODEL) !== (url === DRY_RUN_ENDPOINT))
    return problem(
      'mismatched_test_url',
      body.model === DRY_RUN_MODEL
        ? `The provided URL '${url}' does not match the test model '${DRY_RUN_MODEL}'.`
        : `The provided URL '${url}' is for the test model '${DRY_RUN_MODEL}', not for '${body.model}'.`,
      'url',
    );
  if (url !== endpoint)
    return problem(
      'mismatched_url',
      `The provided url '${url}' does not match the endpoint '${endpoint}' of the batch.`,
      'url',
    );
  return undefined;
}

function problem(code: string, message: string, param: string | null): Omit<BatchError, 'line'> {
  return { code, message, param };
}

function missing(line: { readonly [key: string]: unknown }, param: string): Omit<BatchError, 'line'> {
  const [head = ''] = param.split('.');
  return line[head] === undefined
    ? problem('missing_required_parameter', `Missing required parameter: '${head}'.`, head)
    : problem('invalid_value', `The value of '${param}' is missing or has the wrong type.`, param);
}

function parseObject(text: string): { readonly [key: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as { [key: string]: unknown })
      : undefined;
  } catch {
    return undefined;
  }
}
