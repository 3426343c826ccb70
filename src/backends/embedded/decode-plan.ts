/** What a request asks of the engine: the prompt, the stages of the answer, the limits. Pure. */
import { StudioError } from '../../core/errors.ts';
import { CODE_TOKENS } from '../../core/fim.ts';
import {
  type FunctionTool,
  functionTools,
  type GenerationRequest,
  type JsonSchema,
  type RawPrompt,
} from '../../core/generation.ts';
import { type ModelCard, maxInputOf } from '../../core/models.ts';
import { callShape, toolFormat } from '../parsers/tool-formats.ts';
import { cachedPrompt } from './cache-plan.ts';
import {
  argumentsGrammarIfHeld,
  compileArgumentsSchema,
  compileJsonSchema,
  compileTaggedArguments,
  jsonObjectGrammar,
} from './constraints/index.ts';
import type { ControlTextCutter } from './control-text.ts';
import type {
  CallableFunction,
  CallPlan,
  DecodePlan,
  Grounding,
  PromptSegment,
  Stage,
  WeightsFacts,
} from './engine-protocol.ts';
import { optionalArguments } from './grounding/asked-arguments.ts';
import { groundedParameters } from './grounding/index.ts';
import { listedArguments } from './grounding/listed-arguments.ts';
import { unspokenArguments } from './grounding/unspoken-arguments.ts';
import { type Conversation, conversationOf, unexpectedPart, withResultsTold, withSystemText } from './messages.ts';
import { pictureData, withPictures } from './prompt-images.ts';
import { rawPromptSegments } from './raw-prompt.ts';
import { afterClose, skippedReasoning } from './reasoning-style.ts';
import { engineSampling } from './sampling.ts';
import { groundingOf } from './single-request.ts';
import type { ChatTemplate, Prompt } from './template.ts';
import { reasoningBudget, STAND_IN_THINKING_TEXT, templateEffort } from './thinking-prompt.ts';
import {
  isTrained,
  parametersOf,
  spellCalls,
  type ToolSpelling,
  templateTellsTools,
  templateToolOf,
  toolText,
} from './tool-prompt.ts';

export interface PlanInput {
  readonly request: GenerationRequest;
  readonly card: ModelCard | undefined;
  readonly facts: WeightsFacts;
  readonly template: ChatTemplate;
  /** Of the spellings of the weights' control tokens. */
  readonly cutter: ControlTextCutter;
  readonly spelling: ToolSpelling;
  /** For a caller who gives no seed. */
  readonly randomSeed: number;
}

/** How the reply thinks: not at all, as the model was made to, or by our two stages. */
type ThinkingWay = 'off' | 'native' | 'stand-in';

/** Throws a StudioError for what these weights or our constraints cannot hold. */
export function decodePlanOf(input: PlanInput): DecodePlan {
  const { request, card } = input;
  return {
    ...(request.rawPrompt ? rawAnswer(input, request.rawPrompt) : chatAnswer(input)),
    maxPromptTokens: card && (maxInputOf(card, request.thinking.switch === 'on') ?? undefined),
    choices: request.sampling.choices ?? 1,
    sampling: engineSampling(request.sampling, card, input.randomSeed),
    stopTexts: request.sampling.stopTexts ?? [],
    stopTokens: request.sampling.stopTokens ?? [],
    maxTotalTokens: maxTotalTokens(request, card),
    logprobs: request.sampling.logprobs,
  };
}

/** The prompt alone, for counting. */
export function promptFor(input: PlanInput): readonly PromptSegment[] {
  const { request } = input;
  if (request.rawPrompt) return rawPromptSegments(request.rawPrompt, input.facts, input.cutter);
  const conversation = conversationOf(request);
  const { segments } = promptOf(input, conversation, usableTools(request), thinkingWay(input, conversation));
  return withPictures(segments, picturesSeen(conversation, input.facts));
}

type Answer = Pick<DecodePlan, 'prompt' | 'cache' | 'stages'>;

/** The tokens of code models end the text wherever they come: behind the gap, and where another file would begin. */
function rawAnswer({ request, card, facts, cutter }: PlanInput, rawPrompt: RawPrompt): Answer {
  const segments = rawPromptSegments(rawPrompt, facts, cutter);
  const answer: Stage = {
    kind: 'answer',
    opening: '',
    maxTokens: maxAnswerTokens(request, card),
    endTexts: CODE_TOKENS,
  };
  return { ...cachedPrompt(request, segments, () => segments), stages: [answer] };
}

function chatAnswer(input: PlanInput): Answer {
  const { request } = input;
  const conversation = conversationOf(request);
  const tools = usableTools(request);
  const way = thinkingWay(input, conversation);
  const prompt = promptOf(input, conversation, tools, way);
  const calls = callPlanOf(request, tools, input.spelling, groundingOf(input));
  const render = (same: GenerationRequest): readonly PromptSegment[] =>
    promptOf({ ...input, request: same }, conversationOf(same), tools, way).segments;
  const stages = stagesOf(input, prompt, way, calls, conversation);
  const cached = cachedPrompt(request, prompt.segments, render);
  const pictures = picturesSeen(conversation, input.facts);
  if (pictures.length === 0) return { ...cached, stages };
  // Each picture is a segment of its own, and the places of marks are counted without them.
  const cache = cached.cache && { ...cached.cache, marks: [] };
  return { prompt: withPictures(cached.prompt, pictures), cache, stages };
}

/** The pictures of a conversation as data URLs, if the engine sees. */
function picturesSeen({ pictures }: Conversation, { seesImages }: WeightsFacts): readonly string[] {
  if (pictures.length > 0 && seesImages !== true) throw unexpectedPart();
  return pictures.map(pictureData);
}

/** The functions that this answer may call. */
function usableTools(request: GenerationRequest): readonly FunctionTool[] {
  const tools = functionTools(request);
  const { toolChoice } = request;
  if (toolChoice === 'none') return [];
  if (typeof toolChoice === 'string') return tools;
  const named = tools.filter((tool) => tool.name === toolChoice.name);
  if (named.length === 0) {
    throw new StudioError(
      'invalid-parameter',
      `tool_choice names a function that is not in tools: ${toolChoice.name}`,
      {
        param: 'tool_choice',
      },
    );
  }
  return named;
}

function thinkingWay({ request, card, template }: PlanInput, conversation: Conversation): ThinkingWay {
  // What a partial answer begins with is answer, not reasoning.
  if (conversation.answerPrefix !== '') return 'off';
  const { thinking } = template.traits;
  if (request.thinking.switch === 'on') return thinking === 'none' ? 'stand-in' : 'native';
  return thinking === 'always' && card?.thinking === 'always' ? 'native' : 'off';
}

function promptOf(
  { request, template, spelling }: PlanInput,
  conversation: Conversation,
  tools: readonly FunctionTool[],
  way: ThinkingWay,
): Prompt {
  const texts = [
    toolText(tools, request.allowsParallelCalls, template.traits, spelling),
    formatText(request),
    way === 'stand-in' ? STAND_IN_THINKING_TEXT : '',
  ];
  const isTold = tools.length === 0 && mustSummarise(request, conversation, spelling);
  const messages = isTold ? withResultsTold(conversation.messages) : conversation.messages;
  const systemText = texts.filter((text) => text !== '').join('\n\n');
  return template.prompt({
    messages: withSystemText(messages, systemText, template.traits.defaultSystemText),
    tools: templateTellsTools(template.traits, spelling) ? tools.map(templateToolOf) : [],
    isThinking: way === 'native',
    effort: way === 'native' ? templateEffort(request.thinking, template.traits) : undefined,
    keepsHistory: request.thinking.keepsHistory,
    answerPrefix: conversation.answerPrefix,
    // Earlier calls are shown in the spelling that the model is to use.
    spellCalls: isTrained(spelling, template.traits) ? undefined : (calls) => spellCalls(spelling, calls),
  });
}

/** The model sees the schema too: held to it without knowing it, it fills the fields with anything. */
function formatText({ output }: GenerationRequest): string {
  switch (output.type) {
    case 'text':
      return '';
    case 'json-object':
      return 'Answer with one JSON object and nothing else.';
    case 'json-schema':
      return `Answer with JSON that matches this JSON Schema and nothing else:\n${JSON.stringify(output.schema)}`;
    default:
      return output satisfies never;
  }
}

function stagesOf(
  input: PlanInput,
  prompt: Prompt,
  way: ThinkingWay,
  calls: CallPlan | undefined,
  conversation: Conversation,
): readonly Stage[] {
  const { request, card, template, spelling } = input;
  const isProse = calls === undefined && mustSummarise(request, conversation, spelling);
  const { traits } = template;
  const { marks, opening, closing } = traits.reasoning;
  // Whoever was not asked to think and was not made for it may write of such tags what it likes.
  const isMarked = way !== 'off' || traits.thinking !== 'none';
  const stageMarks = { opens: [marks.open], closes: [marks.close], closing };
  const answer: Stage = {
    kind: 'answer',
    opening: way === 'off' ? reasoningSkip(template, prompt) : closing,
    // The engine feeds the mark and nothing of what the model wrote behind it in the same token.
    openingAfterUntil: afterClose(traits.reasoning),
    maxTokens: maxAnswerTokens(request, card),
    grammar: isProse ? PROSE_GRAMMAR : answerGrammar(request, conversation, calls),
    isProse,
    calls,
    endTexts: isMarked ? marks.answerEnds : undefined,
    // Where tokens of their own end an answer, no other mark gets into it.
    marks: isMarked && marks.answerEnds === undefined ? stageMarks : undefined,
  };
  if (way === 'off') return [answer];
  const reasoning: Stage = {
    kind: 'reasoning',
    opening: prompt.endsInReasoning ? '' : opening,
    until: [marks.close],
    maxTokens: reasoningBudget(request.thinking, way === 'native' ? traits : undefined),
    marks: stageMarks,
  };
  return [reasoning, answer];
}

/** Closes, before it begins, the reasoning of a model whose template has no switch for it. */
function reasoningSkip({ traits }: ChatTemplate, prompt: Prompt): string {
  if (prompt.endsInReasoning) return traits.reasoning.closing;
  return traits.thinking === 'tags' ? skippedReasoning(traits.reasoning) : '';
}

/** Any text that does not begin as a call does: no fence, brace, bracket or tag. */
const PROSE_GRAMMAR = 'root ::= [^\\x60{<\\x5B \\n] [^\\x00]*';

/**
 * Weights that write calls as fenced JSON whatever they are told copy their last call when they should tell of its result
 * and no function is offered any more.
 */
function mustSummarise({ output }: GenerationRequest, conversation: Conversation, spelling: ToolSpelling): boolean {
  const isAfterResult = conversation.messages.at(-1)?.role === 'tool' && conversation.answerPrefix === '';
  return isAfterResult && output.type === 'text' && spelling === 'fenced-json';
}

function answerGrammar(
  { output }: GenerationRequest,
  conversation: Conversation,
  calls: CallPlan | undefined,
): string | undefined {
  if (output.type === 'text') return undefined;
  if (conversation.answerPrefix !== '') {
    throw new StudioError('invalid-parameter', 'response_format cannot be used with a partial assistant message.', {
      param: 'response_format',
    });
  }
  // Any object: a call is one, too.
  if (output.type === 'json-object') return jsonObjectGrammar();
  return compileJsonSchema(calls ? orCall(output.schema, calls) : output.schema).grammar;
}

/** Where the answer is held to a schema, a call may still be made: it opens as an object that names a function. */
function orCall(schema: JsonSchema, calls: CallPlan): JsonSchema {
  const names = calls.functions.map(({ name }) => name);
  const call: JsonSchema = {
    type: 'object',
    properties: { name: { enum: names }, arguments: { type: 'object' } },
    required: ['name', 'arguments'],
    additionalProperties: false,
  };
  // Named, so that references inside go on to mean places inside.
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    anyOf: [{ $id: 'schema://answer/', ...schema }, call],
  };
}

function callPlanOf(
  request: GenerationRequest,
  tools: readonly FunctionTool[],
  spelling: ToolSpelling,
  grounding: Grounding | undefined,
): CallPlan | undefined {
  if (tools.length === 0) return undefined;
  const wanted = toolFormat(spelling);
  const { input } = wanted;
  const functions = tools.map((tool): CallableFunction => {
    const grounded = grounding && groundedParameters(parametersOf(tool), grounding, request.allowsParallelCalls);
    return {
      name: tool.name,
      argumentsGrammar: argumentsGrammar(tool, grounded),
      optional: grounded && optionalArguments(grounded),
      listed:
        grounded && request.allowsParallelCalls ? listedArguments(tool.name, parametersOf(tool), grounded) : undefined,
      unspoken: grounded && unspokenArguments(tool.name, grounded, grounding?.conversation),
      tagged: input === 'json' ? undefined : compileTaggedArguments(parametersOf(tool), input, wanted.after),
    };
  });
  // Where one schema says more than tags can hold, all calls are JSON: nothing may be decoded that nobody holds.
  const isHeld = input === 'json' || functions.every(({ tagged }) => tagged !== undefined);
  const format = isHeld ? wanted : toolFormat('hermes');
  return {
    functions,
    mode: request.toolChoice === 'auto' ? 'auto' : 'required',
    isParallel: request.allowsParallelCalls,
    opening: callShape(format).opening,
    format: format.id,
    grounding,
  };
}

/** Names the function in the refusal: a request may bring twenty. */
function argumentsGrammar(tool: FunctionTool, narrowed: JsonSchema | undefined): string {
  try {
    return (narrowed && argumentsGrammarIfHeld(narrowed)) ?? compileArgumentsSchema(parametersOf(tool)).grammar;
  } catch (thrown) {
    if (!(thrown instanceof StudioError) || thrown.code !== 'invalid-parameter') throw thrown;
    const message = `The parameters of the function ${tool.name} cannot be used: ${thrown.message}`;
    throw new StudioError('invalid-parameter', message, { param: 'tools', cause: thrown });
  }
}

function maxAnswerTokens({ limits }: GenerationRequest, card: ModelCard | undefined): number | undefined {
  return card?.maxOutputIncludesReasoning ? undefined : (limits.maxOutputTokens ?? card?.maxOutput ?? undefined);
}

/** Some models count `max_tokens` over reasoning and answer: the card says which. */
function maxTotalTokens({ limits }: GenerationRequest, card: ModelCard | undefined): number | undefined {
  const { maxTotalOutputTokens } = limits;
  if (!card?.maxOutputIncludesReasoning) return maxTotalOutputTokens;
  const both = [limits.maxOutputTokens ?? card.maxOutput ?? undefined, maxTotalOutputTokens];
  const known = both.filter((limit): limit is number => limit !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}
