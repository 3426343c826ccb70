/** The embedded backend: a GGUF model in a child process, behind the port of `core/ports.ts`. */
import { createHash, randomInt } from 'node:crypto';
import { StudioError } from '../../core/errors.ts';
import type { GenerationStream } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import type { ModelCard } from '../../core/models.ts';
import type { Backend, CallContext, Clock, Logger, QueueWait } from '../../core/ports.ts';
import { chooseCall } from './call-choice.ts';
import { decidedPlanOf } from './call-decision.ts';
import { ControlTextCutter } from './control-text.ts';
import { decodePlanOf, type PlanInput, promptFor } from './decode-plan.ts';
import { EngineClient, type EngineState, type Job } from './engine-client.ts';
import type { DecodePlan, EngineOptions, WeightsFacts } from './engine-protocol.ts';
import { JobEvents } from './events.ts';
import { FitCheck } from './fit-check.ts';
import type { Fleet, FleetEntry } from './fleet.ts';
import { plainSegments } from './raw-prompt.ts';
import { MAX_SEED } from './sampling.ts';
import { ChatTemplate, type TemplateSource, type TemplateTraits } from './template.ts';
import { spellingOf, type ToolSpelling } from './tool-prompt.ts';

export type { EngineState, QueueLine } from './engine-client.ts';
export type { EngineOptions, WeightsFacts } from './engine-protocol.ts';
export { Fleet, type FleetView } from './fleet.ts';
export type { ToolSpelling } from './tool-prompt.ts';

export interface EmbeddedOptions {
  readonly engine: EngineOptions;
  /** The weights' name in logs and in `servedBy`, e.g. `qwen2.5-coder-1.5b`. */
  readonly weightsName: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Calls that may wait for a sequence before 429. */
  readonly queueLimit?: number | undefined;
  /** How the model writes a call; `auto` decides by the weights. */
  readonly toolSpelling?: ToolSpelling | 'auto' | undefined;
  /** A Jinja chat template in place of the one in the weights. */
  readonly chatTemplate?: string | undefined;
  /** How long running calls may go on after `close`. */
  readonly shutdownMs?: number | undefined;
  /** How long the child may take to end before it is killed. */
  readonly killAfterMs?: number | undefined;
  readonly restartDelayMs?: number | undefined;
  readonly maxFailedStarts?: number | undefined;
  /** Told of every change, for metrics. */
  readonly onState?: ((state: EngineState) => void) | undefined;
  /** The engine program; another one in tests. */
  readonly program?: string | undefined;
  /** Where there are several local models: who says when this one is in memory. Without it, it always is. */
  readonly berth?: Berth | undefined;
  /** Told when a call has its place at the engine. */
  readonly onAdmitted?: ((wait: QueueWait) => void) | undefined;
}

/** A model's place in a fleet. */
export interface Berth extends Pick<FleetEntry, 'bytes' | 'keepAliveMs'> {
  readonly fleet: Fleet;
  /** It is loaded before anybody calls. */
  readonly loadsAtStart: boolean;
}

/** What `doctor` and `models` tell of the weights. */
export interface EmbeddedFacts {
  readonly weights: WeightsFacts;
  readonly templateSource: TemplateSource;
  /** Why the template of the weights is not used, when it is not. */
  readonly templateComplaint: string | undefined;
  readonly templateTraits: TemplateTraits;
  readonly toolSpelling: ToolSpelling;
}

export interface EmbeddedBackend extends Backend {
  /** Resolves when the weights are loaded; rejects, with a sentence for people, when they cannot be. */
  ready(): Promise<void>;
  /** Undefined until the weights are loaded. */
  readonly facts: EmbeddedFacts | undefined;
  state(): EngineState;
  /** The child's process id; undefined while there is none. */
  readonly engineProcessId: number | undefined;
}

const QUEUE_LIMIT = 64;
const SHUTDOWN_MS = 10_000;

/** Starts loading the weights at once; calls that come before they are loaded wait in the queue. */
export function createEmbeddedBackend(options: EmbeddedOptions): EmbeddedBackend {
  const client = new EngineClient({
    engine: engineOptionsOf(options),
    log: options.log,
    clock: options.clock,
    program: options.program,
    killAfterMs: options.killAfterMs,
    restartDelayMs: options.restartDelayMs,
    maxFailedStarts: options.maxFailedStarts,
    // Weights that sleep are only loaded for somebody who waits.
    queueLimit: Math.max(options.queueLimit ?? QUEUE_LIMIT, options.berth ? options.engine.sequences : 0),
    shutdownMs: options.shutdownMs ?? SHUTDOWN_MS,
    onState: options.onState,
    startsAsleep: options.berth && !options.berth.loadsAtStart,
    onDemand: options.berth && (() => options.berth?.fleet.changed()),
  });
  const { berth, weightsName } = options;
  berth?.fleet.add({ name: weightsName, bytes: berth.bytes, keepAliveMs: berth.keepAliveMs }, client);
  const refuse = (): void => {
    const refusal = berth?.fleet.refusal(weightsName);
    if (refusal) throw refusal;
  };
  /** For questions, which have no place in the queue. Without a fleet weights that are not there yet are an overload. */
  const whenAwake = async (): Promise<WeightsFacts> => {
    refuse();
    if (berth) await client.awake();
    if (!client.facts) throw new StudioError('overloaded');
    return client.facts;
  };
  const fitCheck = new FitCheck();
  let loaded: Loaded | undefined;
  /** The weights stay the same when the child is replaced, so this is worked out once. */
  const loadedFor = (facts: WeightsFacts): Loaded => {
    loaded ??= loadedOf(facts, options);
    return loaded;
  };
  const planInput = (request: GenerationRequest, card: ModelCard | undefined, weights: WeightsFacts): PlanInput => {
    const { template, cutter, facts } = loadedFor(weights);
    const randomSeed = randomInt(MAX_SEED);
    return { request, card, facts: weights, template, cutter, spelling: facts.toolSpelling, randomSeed };
  };

  return {
    id: 'embedded',
    abilities: {
      choices: true,
      structuredOutput: true,
      thinkingBudget: true,
      toolChoice: true,
      rawPrompts: true,
      images: options.engine.llamaServer?.projectorFile !== undefined,
    },
    generate: (request, context) =>
      generate({ client, planInput, refuse, onAdmitted: options.onAdmitted, weightsName, fitCheck }, request, context),
    health: () => {
      const { phase, detail } = client.state();
      return { isReady: phase === 'ready' || phase === 'idle', detail };
    },
    close: () => {
      berth?.fleet.close();
      return client.close();
    },
    ready: async () => {
      await client.ready;
    },
    get facts() {
      return client.facts && loadedFor(client.facts).facts;
    },
    state: () => client.state(),
    countTokens: async (request, _route, card) => {
      return client.count(promptFor(planInput(request, card, await whenAwake())));
    },
    tokenise: async (text) => {
      return client.tokenise(plainSegments(text, loadedFor(await whenAwake()).cutter));
    },
    get promptCache() {
      // Weights that are not loaded cannot be asked; their prompts lie in the folder.
      if (client.state().phase !== 'ready') return undefined;
      return { report: () => client.cacheReport(), clear: () => client.clearCache() };
    },
    get engineProcessId() {
      return client.engineProcessId;
    },
  };
}

/** What was read with another template is of no use, and is kept apart. */
function engineOptionsOf({ engine, chatTemplate = '' }: EmbeddedOptions): EngineOptions {
  const template = createHash('sha256').update(chatTemplate).digest('hex');
  return engine.cache ? { ...engine, cache: { ...engine.cache, template } } : engine;
}

interface Loaded {
  readonly facts: EmbeddedFacts;
  readonly template: ChatTemplate;
  readonly cutter: ControlTextCutter;
}

function loadedOf(weights: WeightsFacts, options: EmbeddedOptions): Loaded {
  const template = ChatTemplate.of(weights, options.chatTemplate);
  if (template.complaint) options.log.warn({ reason: template.complaint }, 'using the ChatML template');
  const wanted = options.toolSpelling ?? 'auto';
  const facts: EmbeddedFacts = {
    weights,
    templateSource: template.source,
    templateComplaint: template.complaint,
    templateTraits: template.traits,
    toolSpelling: wanted === 'auto' ? spellingOf(weights, options.weightsName, template.traits) : wanted,
  };
  return { facts, template, cutter: new ControlTextCutter(weights.controlTexts, []) };
}

function withoutCalls(request: GenerationRequest): GenerationRequest {
  return { ...request, toolChoice: 'none' };
}

/** What `generate` needs besides the call. */
interface Engine {
  readonly client: EngineClient;
  readonly planInput: (request: GenerationRequest, card: ModelCard | undefined, weights: WeightsFacts) => PlanInput;
  /** Throws when these weights can never be loaded here. */
  readonly refuse: () => void;
  readonly onAdmitted: EmbeddedOptions['onAdmitted'];
  readonly weightsName: string;
  readonly fitCheck: FitCheck;
}

async function* generate(engine: Engine, request: GenerationRequest, context: CallContext): GenerationStream {
  const { client } = engine;
  engine.refuse();
  const { signal } = context;
  const events = new JobEvents(request, context);
  // Planned before the wait where the weights are known: a wrong request is refused at once, not after a minute.
  const early = client.facts && engine.planInput(request, context.card, client.facts);
  const earlyPlan = early && decodePlanOf(early);
  const place = await client.enter(context, request.sampling.choices ?? 1);
  let job: Job | undefined;
  // The child is told at once, whoever is reading at that moment; closing the box wakes the reader.
  const onAbort = (): void => {
    job?.cancel();
    job?.messages.close();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (place) {
      const input = early ?? engine.planInput(request, context.card, await client.ready);
      let plan = earlyPlan ?? decodePlanOf(input);
      events.admitted(place, plan.stages.length > 1);
      engine.onAdmitted?.({ priority: context.priority, queueMs: place.queueMs, callsAhead: place.callsAhead });
      const start = (asking: DecodePlan): Job => {
        job = place.start(asking);
        return job;
      };
      const startedAtMs = context.clock.monotonic();
      const { weightsName, fitCheck } = engine;
      const choice = await chooseCall(plan, { input, weightsName, fitCheck, start, signal });
      if (choice?.kind === 'ended') {
        for (const event of events.push(choice.message)) yield event;
        return;
      }
      if (!signal.aborted) {
        const isClear = choice !== undefined && choice.kind !== 'without-calls';
        if (isClear) plan = decidedPlanOf(plan, choice);
        else if (choice) plan = decodePlanOf({ ...input, request: withoutCalls(request) });
        job = place.start(plan);
        place.leave();
        if (choice) {
          const decisionMs = context.clock.monotonic() - startedAtMs;
          for (const event of events.decided(isClear ? choice : undefined, decisionMs)) yield event;
        }
      }
      place.leave();
    }
    while (job && !signal.aborted) {
      const messages = await job.messages.take();
      for (const message of messages ?? []) {
        if (signal.aborted) break;
        for (const event of events.push(message)) yield event;
        if (events.hasEnded) return;
      }
      if (!messages) break;
    }
    yield* events.abort();
  } finally {
    signal.removeEventListener('abort', onAbort);
    job?.cancel();
    place?.leave();
  }
}
