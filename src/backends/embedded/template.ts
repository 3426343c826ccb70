/**
 * The model's own chat template (Jinja, from the weights file), and what it can do.
 *
 * What a template can do is found out by rendering small conversations with it rather than by reading its source: does
 * the tool's name arrive, does the result, does a thinking switch change anything. What it cannot do is done beside it:
 * calls and results as text, system text in front of the user's.
 */
import { Template, tokenize } from '@huggingface/jinja';
import { StudioError } from '../../core/errors.ts';
import type { Json } from '../../core/generation.ts';
import { marksOfTemplate, type ThinkingMarks } from '../parsers/thinking-marks.ts';
import {
  formatOfTemplate,
  type ToolFormatId,
  toolFormat,
  type WrittenCall,
  writeCalls,
} from '../parsers/tool-formats.ts';
import { CallerTexts, ControlTextCutter } from './control-text.ts';
import type { PromptSegment, WeightsFacts } from './engine-protocol.ts';
import { alternating, type ChatMessage } from './messages.ts';
import { type ReasoningStyle, type RenderOptions, reasoningStyleOf } from './reasoning-style.ts';

/** Where the template comes from; `chatml` when the weights have none that works. */
export type TemplateSource = 'weights' | 'override' | 'chatml';

export interface TemplateTraits {
  readonly rendersSystem: boolean;
  /** What it says as system text when the caller says none; '' when nothing. */
  readonly defaultSystemText: string;
  readonly rendersTools: boolean;
  /** How it wants the arguments of earlier calls; undefined when it renders no calls. */
  readonly argumentsAs: 'object' | 'text' | undefined;
  readonly rendersToolResults: boolean;
  /**
   * `switch`: a variable turns thinking on and off. `always`: every reply is opened inside reasoning. `tags`: the model
   * writes the marks by itself. `none`: the model was not made to think.
   */
  readonly thinking: 'switch' | 'always' | 'tags' | 'none';
  readonly reasoning: ReasoningStyle;
  /** The family in whose spelling it tells of calls. */
  readonly toolFormat: ToolFormatId | undefined;
}

/** A function as templates know it. */
export interface TemplateTool {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description?: string; readonly parameters: Json };
}

export interface PromptInput {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly TemplateTool[];
  readonly isThinking: boolean;
  /** For templates that tell the model how hard to think. */
  readonly effort?: string | undefined;
  /** Reasoning of answered turns stays in the prompt. */
  readonly keepsHistory?: boolean | undefined;
  /** Text of the answer that is there already. */
  readonly answerPrefix: string;
  /** Writes earlier calls as text; undefined where the template's own way is wanted. */
  readonly spellCalls: ((calls: readonly WrittenCall[]) => string) | undefined;
}

export interface Prompt {
  readonly segments: readonly PromptSegment[];
  /** The template itself opened the reasoning. */
  readonly endsInReasoning: boolean;
}

/** Used for weights without a template. */
const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

export class ChatTemplate {
  readonly source: TemplateSource;
  readonly traits: TemplateTraits;
  /** Why the template of the weights is not used, when it is not. */
  readonly complaint: string | undefined;
  readonly #text: string;
  readonly #template: Template;
  readonly #literals: readonly string[];
  readonly #cutter: ControlTextCutter;
  readonly #facts: WeightsFacts;

  /** Takes the template of the weights, or `override` in its place. */
  static of(facts: WeightsFacts, override?: string): ChatTemplate {
    const text = override ?? facts.chatTemplate;
    if (text === undefined) return new ChatTemplate('chatml', CHATML, facts, 'the weights bring no chat template');
    try {
      return new ChatTemplate(override === undefined ? 'weights' : 'override', text, facts, undefined);
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      return new ChatTemplate('chatml', CHATML, facts, `the chat template cannot be used: ${reason}`);
    }
  }

  private constructor(source: TemplateSource, text: string, facts: WeightsFacts, complaint: string | undefined) {
    this.source = source;
    this.complaint = complaint;
    this.#text = text;
    this.#facts = facts;
    this.#template = new Template(text);
    this.#literals = literalsOf(text);
    this.#cutter = new ControlTextCutter(facts.controlTexts, this.#literals);
    this.traits = this.#probe();
  }

  /** The prompt of a conversation, up to where the model goes on. */
  prompt(input: PromptInput): Prompt {
    const tools = input.tools.map(({ function: tool }): Json => ({ type: 'function', function: { ...tool } }));
    const callers = new CallerTexts(this.#cutter, this.#allTexts(input, tools));
    const protectedTools = tools.map((tool) => callers.protectJson(tool));
    let rendered: string;
    try {
      rendered = this.#renderMessages(input, input.messages, protectedTools, callers);
    } catch {
      // Some templates refuse what the API allows: a system role, two user turns in a row.
      try {
        rendered = this.#renderMessages(input, alternating(input.messages), protectedTools, callers);
      } catch (thrown) {
        throw this.#refusal(thrown);
      }
    }
    const segments = callers.split(rendered + callers.protect(input.answerPrefix));
    return { segments, endsInReasoning: endsOpen(rendered, this.traits.reasoning.marks) };
  }

  #renderMessages(
    input: PromptInput,
    messages: readonly ChatMessage[],
    tools: readonly Json[],
    callers: CallerTexts,
  ): string {
    const known = this.traits.rendersSystem ? messages : alternating(messages);
    const lastQuestion = known.findLastIndex(({ role }) => role === 'user');
    const { isThinking, keepsHistory, effort } = input;
    return this.#render(
      known.map((message, index) => this.#templateMessage(message, input, callers, index < lastQuestion)),
      tools,
      { isThinking, isOpen: true, keepsHistory, effort },
    );
  }

  #templateMessage(message: ChatMessage, input: PromptInput, callers: CallerTexts, isAnswered: boolean): Json {
    const protect = (text: string): string => callers.protect(text);
    switch (message.role) {
      case 'system':
      case 'user':
        return { role: message.role, content: protect(message.content), ...named(message.name, protect) };
      case 'tool':
        if (!this.traits.rendersToolResults) {
          const content = `<tool_response>\n${message.content}\n</tool_response>`;
          return { role: 'user', content: protect(content) };
        }
        return {
          role: 'tool',
          content: protect(message.content),
          tool_call_id: protect(message.callId),
          ...named(message.name, protect),
        };
      case 'assistant':
        return this.#assistantMessage(message, input, callers, isAnswered);
      default:
        return message satisfies never;
    }
  }

  #assistantMessage(
    message: Extract<ChatMessage, { role: 'assistant' }>,
    input: PromptInput,
    callers: CallerTexts,
    isAnswered: boolean,
  ): Json {
    const argumentsAs = input.spellCalls === undefined ? this.traits.argumentsAs : undefined;
    const spell = input.spellCalls ?? ((calls) => writeCalls(toolFormat(this.traits.toolFormat ?? 'hermes'), calls));
    const spelled = argumentsAs === undefined && message.calls.length > 0 ? spell(message.calls) : '';
    let content = callers.protect([message.content, spelled].filter((text) => text !== '').join('\n'));
    const { historyField, answeredTurns, opening, closing } = this.traits.reasoning;
    const reasoning = message.reasoning === undefined ? undefined : callers.protect(message.reasoning);
    const isInContent = historyField === undefined || (isAnswered && answeredTurns === 'content');
    // These marks are ours, so they stay control tokens where the model has such.
    if (reasoning !== undefined && isInContent) content = `${opening}${reasoning}${closing}${content}`;
    return {
      role: 'assistant',
      content,
      ...named(message.name, (text) => callers.protect(text)),
      // Empty beside reasoning in the text, or the template would look for it there and take it out.
      ...(reasoning !== undefined && historyField !== undefined
        ? { [historyField]: isInContent ? '' : reasoning }
        : {}),
      ...(argumentsAs !== undefined && message.calls.length > 0
        ? {
            tool_calls: message.calls.map((call) => ({
              id: callers.protect(call.callId),
              type: 'function',
              function: {
                name: callers.protect(call.name),
                arguments: callers.protectJson(argumentsAs === 'object' ? parsedInput(call.inputText) : call.inputText),
              },
            })),
          }
        : {}),
    };
  }

  #render(messages: readonly Json[], tools: readonly Json[], options: RenderOptions): string {
    const { isThinking, isOpen, keepsHistory, effort } = options;
    return this.#template.render({
      messages,
      // None, as the reference implementation passes it: some templates ask `is not none`.
      tools: tools.length > 0 ? tools : null,
      add_generation_prompt: isOpen,
      bos_token: this.#facts.bosText,
      eos_token: this.#facts.eosText,
      // Qwen, GLM, MiniMax; DeepSeek and Kimi; gpt-oss. What a template does not know it does not ask for.
      enable_thinking: isThinking,
      thinking: isThinking,
      ...(effort === undefined ? {} : { reasoning_effort: effort }),
      ...(keepsHistory === undefined ? {} : { preserve_thinking: keepsHistory, clear_thinking: !keepsHistory }),
    });
  }

  /** Every text that can reach the prompt. */
  #allTexts(input: PromptInput, tools: readonly Json[]): string[] {
    const { messages, answerPrefix } = input;
    return [this.#text, this.#facts.bosText, this.#facts.eosText, answerPrefix, JSON.stringify([messages, tools])];
  }

  /** A refusal in the template's own words is about the caller's messages; anything else is our fault. */
  #refusal(thrown: unknown): StudioError {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const isOwnWords = this.#literals.some((literal) => literal.length >= 8 && reason.includes(literal));
    if (!isOwnWords) return new StudioError('internal', undefined, { cause: thrown });
    const message = `The provided messages input is invalid. The error info is [${reason}]`;
    return new StudioError('invalid-parameter', message, { param: 'messages', cause: thrown });
  }

  #probe(): TemplateTraits {
    const user = { role: 'user', content: 'probe_user' };
    // A template that cannot render the simplest conversation is of no use; the constructor's caller hears of it.
    const on = this.#render([user], [], { isThinking: true, isOpen: true });
    const off = this.#render([user], [], { isThinking: false, isOpen: true });
    if (!on.includes('probe_user')) throw new Error('it does not render a user message');
    const tryRender = (
      messages: readonly Json[],
      tools: readonly Json[],
      options: RenderOptions,
    ): string | undefined => {
      try {
        return this.#render(messages, tools, options);
      } catch {
        return undefined;
      }
    };
    const tries = (messages: readonly Json[], tools: readonly Json[], needle: string): boolean =>
      tryRender(messages, tools, { isThinking: false, isOpen: true })?.includes(needle) === true;
    const tool = {
      type: 'function',
      function: { name: 'probe_tool', description: 'probe', parameters: PROBE_PARAMETERS },
    };
    const called = (input: Json): Json[] => [
      user,
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'probe00id', type: 'function', function: { name: 'probe_tool', arguments: input } }],
      },
      { role: 'tool', content: 'probe_result', tool_call_id: 'probe00id', name: 'probe_tool' },
    ];
    const withSystem = [{ role: 'system', content: 'probe_system' }, user];
    const rendersSystem = tries(withSystem, [], 'probe_system');
    const takesObject = tries(called({ probe_key: 'probe_value' }), [tool], 'probe_value');
    const takesText = tries(called('{"probe_key": "probe_value"}'), [tool], '{"probe_key": "probe_value"}');
    return {
      rendersSystem,
      defaultSystemText: rendersSystem
        ? defaultSystemTextOf(this.#render(withSystem, [], { isThinking: false, isOpen: true }), off)
        : '',
      rendersTools: tries([user], [tool], 'probe_tool'),
      argumentsAs: takesObject ? 'object' : takesText ? 'text' : undefined,
      rendersToolResults: tries(called(takesObject ? {} : '{}'), [tool], 'probe_result'),
      thinking: thinkingOf(this.#text, on, off),
      reasoning: reasoningStyleOf(this.#text, (messages, options) => tryRender(messages, [], options)),
      toolFormat: formatOfTemplate(this.#text)?.id,
    };
  }
}

/** What stands in `without` where `probe_system` stands in `withSystem`, when all around it is the same. */
function defaultSystemTextOf(withSystem: string, without: string): string {
  const [before = '', rest = ''] = withSystem.split('probe_system');
  const after = rest.slice(0, rest.indexOf('probe_user'));
  const head = without.slice(0, without.indexOf('probe_user'));
  const isAlike =
    after !== '' && head.startsWith(before) && head.endsWith(after) && head.length >= before.length + after.length;
  return isAlike ? head.slice(before.length, head.length - after.length) : '';
}

const PROBE_PARAMETERS = { type: 'object', properties: { probe_key: { type: 'string' } } };

function thinkingOf(template: string, on: string, off: string): TemplateTraits['thinking'] {
  const marks = marksOfTemplate(template);
  // A switch alone is of no use: without the marks nobody can tell reasoning from answer.
  if (marks === undefined) return 'none';
  if (on !== off) return 'switch';
  return endsOpen(on, marks) ? 'always' : 'tags';
}

function endsOpen(rendered: string, { open }: ThinkingMarks): boolean {
  return rendered.trimEnd().endsWith(open);
}

function named(name: string | undefined, protect: (text: string) => string): { name?: string } {
  return name === undefined ? {} : { name: protect(name) };
}

/** Earlier arguments may be no JSON: then they stay the text that they are. */
function parsedInput(inputText: string): Json {
  try {
    return JSON.parse(inputText) as Json;
  } catch {
    return inputText;
  }
}

/** The literal texts of a template: what stands outside its expressions, and the strings inside them. */
function literalsOf(template: string): string[] {
  // The library's own declaration of a token is out of reach of this module resolution.
  const tokens = tokenize(template, { lstrip_blocks: true, trim_blocks: true }) as readonly TemplateToken[];
  return tokens.filter(({ type }) => type === 'Text' || type === 'StringLiteral').map(({ value }) => value);
}

interface TemplateToken {
  readonly type: string;
  readonly value: string;
}
