/**
 * JSON that parses, JSON that keeps its schema, also from a backend that promises neither.
 *
 * A backend that holds decoding to a schema is passed through. Any other has the text of each choice held until the
 * choice ends; it is then repaired (once), checked, and shown in one piece. What is still wrong is asked for once more,
 * and if that fails too the call fails: a wrong shape never goes out as an answer. An answer that was cut by a limit
 * or a stop text goes out as it is, as the service does; its finish reason says so.
 *
 * A schema that is none is refused before anything is spent, for outputs and for tools, whoever answers.
 */
import { jsonrepair } from 'jsonrepair';
import { StudioError, toStudioError } from '../../core/errors.ts';
import type { ChoiceEndEvent, FinishEvent, GenerationEvent, GenerationStream } from '../../core/events.ts';
import { functionTools, type GenerationRequest, type OutputFormat } from '../../core/generation.ts';
import { assertSchema, type CompiledSchema, compileSchema, JsonSchemaError } from '../../core/json-schema.ts';
import type { CallContext } from '../../core/ports.ts';
import { addUsage, NO_USAGE, type Usage } from '../../core/usage.ts';
import type { Feature, Generate } from '../feature.ts';

/** How often a backend is asked for one answer. */
const MAX_ATTEMPTS = 2;

export const structuredOutput: Feature = {
  name: 'structured-output',
  apply(request, context, next) {
    const schema = checkSchemas(request);
    const isHeld = request.output.type === 'text' || context.route?.backend.abilities.structuredOutput;
    return isHeld ? next(request, context) : checkedAnswers(request, context, next, schema);
  },
};

/** Refuses what is no schema; gives the compiled one of the output. */
function checkSchemas(request: GenerationRequest): CompiledSchema | undefined {
  for (const [index, tool] of functionTools(request).entries())
    withSchemaErrors(`tools[${index}].function.parameters`, () => assertSchema(tool.inputSchema));
  const { output } = request;
  if (output.type !== 'json-schema') return undefined;
  return withSchemaErrors('response_format.json_schema.schema', () => compileSchema(output.schema));
}

/** Own words: what the service says of a broken schema is not known. */
function withSchemaErrors<Result>(where: string, check: () => Result): Result {
  try {
    return check();
  } catch (thrown) {
    if (!(thrown instanceof JsonSchemaError)) throw thrown;
    throw new StudioError('invalid-parameter', `Invalid schema for '${where}': ${thrown.message}`);
  }
}

async function* checkedAnswers(
  request: GenerationRequest,
  context: CallContext,
  next: Generate,
  schema: CompiledSchema | undefined,
): GenerationStream & AsyncGenerator<GenerationEvent> {
  let before = NO_USAGE;
  let wrong: ReadonlySet<number> | undefined;
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const checker = new AnswerChecker(request.output, schema, attempt, wrong);
    let finish: FinishEvent | undefined;
    try {
      for await (const event of next(request, context)) {
        if (event.type === 'start' && attempt > 1) continue;
        const counted = 'usage' in event ? { ...event, usage: joinUsage(before, event.usage, attempt) } : event;
        if (counted.type === 'finish') finish = counted;
        else yield* checker.push(counted);
      }
    } catch (thrown) {
      if (attempt === 1) throw thrown;
      yield { type: 'error', error: toStudioError(thrown), usage: before };
      return;
    }
    // Without a finish the stream ended with an error, which was passed on.
    if (!finish) return;
    if (finish.ending !== 'completed' || checker.wrong.size === 0) {
      yield finish;
      return;
    }
    before = finish.usage;
    wrong = checker.wrong;
    context.log.warn({ requestId: context.requestId, attempt, problem: checker.problem }, 'answer breaks its format');
  }
  const cause = new Error(`the backend gave no answer in the wanted format in ${MAX_ATTEMPTS} attempts`);
  yield { type: 'error', error: new StudioError('internal', undefined, { cause }), usage: before };
}

/** The prompt counts once: that we asked twice is not the caller's doing. What the model made counts. */
function joinUsage(before: Usage, own: Usage, attempt: number): Usage {
  return attempt === 1 ? own : { ...addUsage(before, own), input: before.input };
}

interface HeldChoice {
  text: string;
  /** The open text block is held; others pass through. */
  hasText: boolean;
}

/** Holds the text of one attempt, and gives what may be shown. */
class AnswerChecker {
  readonly wrong = new Set<number>();
  problem = '';
  readonly #output: OutputFormat;
  readonly #schema: CompiledSchema | undefined;
  readonly #attempt: number;
  /** Choices this attempt is for; undefined: all. */
  readonly #wanted: ReadonlySet<number> | undefined;
  readonly #held = new Map<number, HeldChoice>();

  constructor(output: OutputFormat, schema: CompiledSchema | undefined, attempt: number, wanted?: ReadonlySet<number>) {
    this.#output = output;
    this.#schema = schema;
    this.#attempt = attempt;
    this.#wanted = wanted;
  }

  *push(event: GenerationEvent): Iterable<GenerationEvent> {
    if ('choice' in event && this.#wanted && !this.#wanted.has(event.choice)) return;
    switch (event.type) {
      case 'text-start':
      case 'text-end':
        this.#choice(event.choice).hasText = true;
        return;
      case 'text-delta':
        this.#choice(event.choice).text += event.text;
        return;
      case 'reasoning-start':
      case 'reasoning-delta':
      case 'reasoning-end':
        // The reader has seen the first attempt's reasoning; a second one would read as part of it.
        if (this.#attempt === 1) yield event;
        return;
      case 'tool-input-start':
      case 'tool-input-delta':
      case 'tool-input-end':
        yield { ...event, blockId: `${this.#attempt}:${event.blockId}` };
        return;
      case 'choice-end':
        yield* this.#endChoice(event);
        return;
      default:
        yield event;
    }
  }

  #choice(index: number): HeldChoice {
    let choice = this.#held.get(index);
    if (!choice) {
      choice = { text: '', hasText: false };
      this.#held.set(index, choice);
    }
    return choice;
  }

  *#endChoice(event: ChoiceEndEvent): Iterable<GenerationEvent> {
    const { text, hasText } = this.#choice(event.choice);
    // Only an answer that the model itself ended claims to be whole; text before a call is not the answer.
    const answer = event.reason === 'stop' ? this.#checked(text) : text;
    if (answer === undefined) {
      this.wrong.add(event.choice);
      return;
    }
    if (hasText || answer !== '') yield* textBlock(event.choice, answer, this.#attempt);
    yield event;
  }

  /** The answer in its wanted format, or undefined. */
  #checked(text: string): string | undefined {
    for (const candidate of candidatesOf(text)) {
      const value = parse(candidate);
      if (value === undefined) this.problem = 'not JSON';
      else if (this.#output.type === 'json-object' && (typeof value !== 'object' || value === null))
        this.problem = 'not an object';
      else {
        const breach = this.#schema?.breachOf(value);
        if (!breach) return candidate;
        this.problem = breach.keyword;
      }
    }
    return undefined;
  }
}

function* textBlock(choice: number, text: string, attempt: number): Iterable<GenerationEvent> {
  const blockId = `json-${choice}-${attempt}`;
  yield { type: 'text-start', choice, blockId };
  if (text !== '') yield { type: 'text-delta', choice, blockId, text };
  yield { type: 'text-end', choice, blockId };
}

/** The text itself, the JSON in the middle of it, and that repaired. */
function* candidatesOf(text: string): Iterable<string> {
  yield text.trim();
  const start = text.search(/[[{]/);
  if (start < 0) return;
  const end = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']'));
  const middle = text.slice(start, end > start ? end + 1 : undefined);
  yield middle;
  try {
    yield jsonrepair(middle);
  } catch {
    // Beyond repair: there are no more candidates.
  }
}

/** Undefined when the text is not JSON; JSON itself has no undefined. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
