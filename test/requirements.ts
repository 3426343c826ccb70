/**
 * What Atelier promises, each with the document it comes from and the test that would break. `requirements.test.ts` fails
 * when a promise cites nothing, when its test is not there, or when `docs/coverage.md` tells another story.
 */

export interface Requirement {
  /** Where in the API it belongs. */
  readonly area: string;
  readonly promise: string;
  /** The vendor's document, or the founding document. */
  readonly source: string;
  /** `file#title of the test`; absent for a known gap. */
  readonly test?: string;
  /** What is missing, for a known gap or a promise held in part. */
  readonly gap?: string;
}

const CHAT = 'Model Studio, "OpenAI compatible - Chat"';
const ERRORS = 'Model Studio, "Error messages"';
const THINKING = 'Model Studio, "Deep thinking"';
const TOOLS = 'Model Studio, "Function calling"';
const STRUCTURED = 'Model Studio, "Structured output"';
const PARTIAL = 'Model Studio, "Partial mode"';
const CACHE = 'Model Studio, "Context cache"';
const FOUNDING = 'Founding document';

const openai = 'test/contract/openai-node.test.ts';
const badInput = 'test/contract/bad-input.test.ts';
const streaming = 'test/contract/streaming.test.ts';
const weights = 'test/weights/chat.weights.test.ts';
const validation = 'src/pipeline/features/validation.test.ts';
const thinking = 'src/pipeline/features/thinking.test.ts';

export const REQUIREMENTS: readonly Requirement[] = [
  {
    area: 'Chat',
    promise: 'Programs for the OpenAI SDK run with only base URL and key changed',
    source: `${FOUNDING}, "OpenAI Compatible Mode"`,
    test: `${openai}#answers a catalogue model and echoes its id`,
  },
  {
    area: 'Chat',
    promise: 'Real weights answer every text model as a stand-in, and the reply says so',
    source: `${FOUNDING}, "Model Selection Guide"`,
    test: `${weights}#answers, as a stand-in that says so`,
  },
  {
    area: 'Chat',
    promise: 'Messages of all roles and part forms, replayed calls and reasoning',
    source: `${CHAT}, messages`,
    test: 'test/openai-chat-goldens.test.ts#there are goldens',
  },
  {
    area: 'Chat',
    promise: 'Chunks and bodies are byte for byte as recorded',
    source: 'captured traffic of the service, February 2026',
    test: 'test/openai-chat-captures.test.ts#chunks',
  },
  {
    area: 'Chat',
    promise: 'A stream says the same as the plain body',
    source: `${FOUNDING}, "Billing Notes"`,
    test: `${streaming}#says the same as the plain body`,
  },
  {
    area: 'Chat',
    promise: 'A usage chunk with empty choices comes only when asked',
    source: `${CHAT}, stream_options`,
    test: `${openai}#streams text, a usage chunk and the end`,
  },
  {
    area: 'Chat',
    promise: "Ids have the service's form; x-request-id is everywhere",
    source: 'captured traffic of the service',
    test: `${openai}#answers a catalogue model and echoes its id`,
  },
  {
    area: 'Chat',
    promise: 'Unknown fields and nulls are ignored',
    source: `${CHAT}, compatibility`,
    test: `${badInput}#ignores unknown fields and nulls`,
  },
  {
    area: 'Chat',
    promise: 'n answers with one prompt counted and read once',
    source: `${CHAT}, n`,
    test: `${weights}#reads a prompt once for n choices and keeps it warm for the next call`,
  },
  {
    area: 'Chat',
    promise: 'The same seed says the same',
    source: `${CHAT}, seed`,
    test: `${weights}#says the same for the same seed, and another thing for another`,
  },
  {
    area: 'Chat',
    promise: 'Stop texts never leak',
    source: `${CHAT}, stop`,
    test: `${weights}#never leaks a stop text and says why it stopped`,
  },
  {
    area: 'Chat',
    promise: 'max_tokens is exact',
    source: `${CHAT}, max_tokens`,
    test: `${weights}#counts max_tokens to the token`,
  },
  {
    area: 'Chat',
    promise: "Log probabilities are of the model's own distribution",
    source: `${CHAT}, logprobs`,
    test: `${weights}#gives log probabilities that are probabilities`,
  },
  {
    area: 'Chat',
    promise: 'The model list, ids with slashes included',
    source: `${FOUNDING}, "Model Selection Guide"`,
    test: `${openai}#lists and retrieves, slashes included`,
  },
  {
    area: 'Thinking',
    promise: 'Classes always, hybrid and never with their refusals',
    source: THINKING,
    test: `${thinking}#refuses what the card rules out`,
  },
  {
    area: 'Thinking',
    promise: 'Reasoning comes before content and is counted apart',
    source: `${FOUNDING}, "Deep Thinking Mode"`,
    test: `${openai}#streams reasoning before the answer`,
  },
  {
    area: 'Thinking',
    promise: 'Weights never trained to think do it in two stages, within the budget',
    source: THINKING,
    test: `${weights}#thinks in two stages, within its budget, and answers after it`,
  },
  {
    area: 'Thinking',
    promise: 'Switched off means none',
    source: THINKING,
    test: `${thinking}#shows reasoning when on, and hides it when off without changing the usage`,
  },
  {
    area: 'Tools',
    promise: 'A call arrives on the settings where llama-server gives none',
    source: TOOLS,
    test: `${weights}#calls the weather tool: %s, system %s, temperature %s`,
  },
  {
    area: 'Tools',
    promise: 'Parallel calls stream in fragments that the SDK joins',
    source: TOOLS,
    test: `${openai}#runs the SDK stream helper over fragmented parallel calls`,
  },
  {
    area: 'Tools',
    promise: 'A result is answered from',
    source: `${FOUNDING}, "Tool and Function Calling"`,
    test: `${weights}#answers from a tool result`,
  },
  {
    area: 'Tools',
    promise: "Broken sequences of calls and results are refused in the service's words",
    source: ERRORS,
    test: `${badInput}#%s`,
  },
  {
    area: 'Structured output',
    promise: 'json_object parses and json_schema validates, also at a small limit',
    source: STRUCTURED,
    test: `${weights}#holds JSON to its schema and to an object, even at a small limit`,
  },
  {
    area: 'Structured output',
    promise: 'A keyword that cannot be held is refused by name',
    source: STRUCTURED,
    test: 'src/backends/embedded/constraints/refused.test.ts#is named with the place it stands at',
  },
  {
    area: 'Structured output',
    promise: 'json_object without the word json is refused',
    source: `${FOUNDING}, FAQ`,
    test: `${badInput}#%s`,
  },
  {
    area: 'Partial mode',
    promise: 'The answer continues the prefix and does not repeat it',
    source: PARTIAL,
    test: `${weights}#continues a partial answer without repeating it`,
  },
  {
    area: 'Errors',
    promise: 'Every documented refusal has its status, code, text and envelope, and costs nothing',
    source: ERRORS,
    test: `${badInput}#spends nothing on any of it`,
  },
  {
    area: 'Errors',
    promise: "Ranges are refused in the service's words",
    source: ERRORS,
    test: `${validation}#refuses $what`,
  },
  {
    area: 'Errors',
    promise: 'A broken stream ends with an error frame and no [DONE]',
    source: ERRORS,
    test: `${streaming}#ends with an error frame and no [DONE] when it breaks`,
  },
  {
    area: 'Errors',
    promise: 'A prompt that does not fit is refused before it is read',
    source: ERRORS,
    test: `${weights}#refuses a prompt that does not fit before it is read`,
  },
  {
    area: 'Engine',
    promise: 'The death of the engine costs one error frame a stream',
    source: 'issue 3',
    test: `${weights}#survives the death of its engine: an error frame, then the next answer`,
  },
  {
    area: 'Engine',
    promise: 'A control token spelt out is text',
    source: 'issue 3',
    test: `${weights}#takes a control token in the text for text`,
  },
  {
    area: 'Engine',
    promise: 'Clients that leave free their sequences and are billed what was emitted',
    source: `${FOUNDING}, "Billing Notes"`,
    test: `${weights}#leaks no sequence and bills what was emitted when clients leave at random`,
  },
  {
    area: 'Cache',
    promise: 'Warm prefixes are reused and reported',
    source: CACHE,
    test: `${weights}#reads a prompt once for n choices and keeps it warm for the next call`,
  },
  { area: 'Cache', promise: 'Explicit marks', source: CACHE, gap: 'accepted, no effect yet' },
  {
    area: 'Vision',
    promise: 'Pictures and video',
    source: 'Model Studio, "Visual understanding"',
    gap: "refused in the service's words",
  },
  {
    area: 'Hosted tools',
    promise: 'Web search, code interpreter, MCP',
    source: 'Model Studio, "Tool calling"',
    gap: "refused in the service's words",
  },
  {
    area: 'Other wires',
    promise: 'Completions, Responses, Conversations, Files, Batches, Messages, DashScope native',
    source: FOUNDING,
    gap: 'not yet',
  },
  {
    area: 'Platform',
    promise: 'Regions, workspaces, rate limits, prices, free quota',
    source: FOUNDING,
    gap: 'not yet',
  },
];
