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
import { CallerTexts, ControlTextCutter } from './control-text.ts';
import type { PromptSegment, WeightsFacts } from './engine-protocol.ts';
import { alternating, type ChatMessage } from './messages.ts';

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
   * `switch`: a variable turns thinking on and off. `always`: every reply is opened with `<think>`. `tags`: the model
   * writes the tags by itself. `none`: the model was not made to think.
   */
  readonly thinking: 'switch' | 'always' | 'tags' | 'none';
  /** It knows `<tool_call>`, the spelling of the Hermes models. */
  readonly isHermes: boolean;
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
  /** Text of the answer that is there already. */
  readonly answerPrefix: string;
  /** Writes earlier calls as text; undefined where the template's own way is wanted. */
  readonly spellCall: ((name: string, inputText: string) => string) | undefined;
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

const OPEN_REASONING = /<think>\s*$/;

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
    return { segments, endsInReasoning: OPEN_REASONING.test(rendered) };
  }

  #renderMessages(
    input: PromptInput,
    messages: readonly ChatMessage[],
    tools: readonly Json[],
    callers: CallerTexts,
  ): string {
    const known = this.traits.rendersSystem ? messages : alternating(messages);
    return this.#render(
      known.map((message) => this.#templateMessage(message, input, callers)),
      tools,
      input.isThinking,
    );
  }

  #templateMessage(message: ChatMessage, input: PromptInput, callers: CallerTexts): Json {
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
        return this.#assistantMessage(message, input, callers);
      default:
        return message satisfies never;
    }
  }

  #assistantMessage(
    message: Extract<ChatMessage, { role: 'assistant' }>,
    input: PromptInput,
    callers: CallerTexts,
  ): Json {
    const argumentsAs = input.spellCall === undefined ? this.traits.argumentsAs : undefined;
    const spell = input.spellCall ?? plainCall;
    const spelled = argumentsAs === undefined ? message.calls.map((call) => spell(call.name, call.inputText)) : [];
    let content = callers.protect([message.content, ...spelled].filter((text) => text !== '').join('\n'));
    const knowsReasoning = this.#text.includes('reasoning_content');
    // These tags are ours, so they stay control tokens where the model has such.
    if (message.reasoning !== undefined && !knowsReasoning) {
      content = `<think>\n${callers.protect(message.reasoning)}\n</think>\n\n${content}`;
    }
    return {
      role: 'assistant',
      content,
      ...named(message.name, (text) => callers.protect(text)),
      ...(message.reasoning !== undefined && knowsReasoning
        ? { reasoning_content: callers.protect(message.reasoning) }
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

  #render(messages: readonly Json[], tools: readonly Json[], isThinking: boolean): string {
    return this.#template.render({
      messages,
      // None, as the reference implementation passes it: some templates ask `is not none`.
      tools: tools.length > 0 ? tools : null,
      add_generation_prompt: true,
      bos_token: this.#facts.bosText,
      eos_token: this.#facts.eosText,
      enable_thinking: isThinking,
      thinking: isThinking,
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
    const on = this.#render([user], [], true);
    const off = this.#render([user], [], false);
    if (!on.includes('probe_user')) throw new Error('it does not render a user message');
    const tries = (messages: readonly Json[], tools: readonly Json[], needle: string): boolean => {
      try {
        return this.#render(messages, tools, false).includes(needle);
      } catch {
        return false;
      }
    };
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
      defaultSystemText: rendersSystem ? defaultSystemTextOf(this.#render(withSystem, [], false), off) : '',
      rendersTools: tries([user], [tool], 'probe_tool'),
      argumentsAs: takesObject ? 'object' : takesText ? 'text' : undefined,
      rendersToolResults: tries(called(takesObject ? {} : '{}'), [tool], 'probe_result'),
      thinking: thinkingOf(this.#text, on, off),
      isHermes: this.#text.includes('<tool_call>'),
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
  if (on !== off) return 'switch';
  if (OPEN_REASONING.test(on)) return 'always';
  return template.includes('</think>') ? 'tags' : 'none';
}

function named(name: string | undefined, protect: (text: string) => string): { name?: string } {
  return name === undefined ? {} : { name: protect(name) };
}

/** A call as text, for a template that cannot render one. */
function plainCall(name: string, inputText: string): string {
  return `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${inputText || '{}'}}\n</tool_call>`;
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
