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
const COMPLETIONS = 'Model Studio, "OpenAI compatible - Completions"';
const MESSAGES = 'Model Studio, "Anthropic compatible - Messages"';
const NATIVE = 'Model Studio, "DashScope API reference"';
const FOUNDING = 'Founding document';
const RESPONSES = 'Model Studio, "OpenAI-compatible - Responses"';
const CONVERSATIONS = 'Model Studio, "OpenAI compatible - Conversations"';
const OPEN_RESPONSES = 'Open Responses, specification of 2026-04-24';
const FILES = 'Model Studio, "OpenAI compatible - File"';
const BATCHES = 'Model Studio, "OpenAI compatible - Batch"';

const openai = 'test/contract/openai-node.test.ts';
const badInput = 'test/contract/bad-input.test.ts';
const streaming = 'test/contract/streaming.test.ts';
const weights = 'test/weights/chat.weights.test.ts';
const contextCache = 'test/context-cache.test.ts';
const filesAndBatches = 'test/contract/files-and-batches.test.ts';
const batchWire = 'src/protocols/openai-batches/index.test.ts';
const completions = 'test/contract/completions-node.test.ts';
const validation = 'src/pipeline/features/validation.test.ts';
const thinking = 'src/pipeline/features/thinking.test.ts';
const anthropic = 'test/contract/anthropic-node.test.ts';
const messagesGoldens = 'test/anthropic-messages-goldens.test.ts';
const aiSdkChat = 'test/contract/clients-ai-sdk-chat.test.ts';
const everyWire = 'test/wires.property.test.ts';
const native = 'test/contract/dashscope.test.ts';
const nativeCaptures = 'test/dashscope-captures.test.ts';
const nativeUnits = 'src/protocols/dashscope';
const NATIVE_SOCKET = 'Model Studio, "CosyVoice WebSocket API"; the DashScope SDKs';
const UPLOADS = 'Model Studio, "Upload local files to get temporary URLs"';
const socket = 'test/contract/dashscope-websocket.test.ts';
const nativeUploads = 'test/contract/dashscope-uploads.test.ts';

const responses = 'test/contract/responses-node.test.ts';
const conversations = 'test/contract/conversations-node.test.ts';
const responseSocket = 'test/contract/responses-websocket.test.ts';
const responseUnits = 'src/protocols/openai-responses/index.test.ts';

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
    test: 'test/openai-chat-goldens.test.ts#test.each(files)',
  },
  {
    area: 'Chat',
    promise: 'Chunks and bodies are byte for byte as recorded',
    source: 'captured traffic of the service, February 2026',
    test: "test/openai-chat-captures.test.ts#test('chunks'",
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
    area: 'Cache',
    promise: 'The eight rules of cache_control marks, on Chat, Messages and the native wire',
    source: CACHE,
    test: `${contextCache}#makes a block of a marked prefix and finds it in the next call, behind the same counts`,
  },
  {
    area: 'Cache',
    promise: 'Prefixes are found without marks, from the smallest that the model has',
    source: CACHE,
    test: `${contextCache}#finds prefixes of 256 tokens and more without marks, and tells of no shorter ones`,
  },
  {
    area: 'Cache',
    promise: 'The session cache of Responses keeps a conversation without marks',
    source: RESPONSES,
    test: `${contextCache}#keeps what was said for the response that continues it, without a mark`,
  },
  {
    area: 'Cache',
    promise: 'What was read is found again after a crash and a restart, and answers as it did cold',
    source: CACHE,
    test: 'src/backends/embedded/child/scheduler-cache.test.ts#is there after a restart, and the answer is the cold one',
  },
  {
    area: 'Cache',
    promise: 'Nobody finds what another account or model has cached, warm or on disk',
    source: CACHE,
    test: 'src/backends/embedded/child/scheduler-cache.test.ts#is not found by another namespace, warm or stored',
  },
  {
    area: 'Cache',
    promise: 'Marks are paid for: 125% for writing, 10% for reading, a fifth without marks',
    source: `${FOUNDING}, "Billing Notes"`,
    test: 'test/contract/context-cache.test.ts#marks a system text as the founding document says, and pays for writing, then a tenth for reading',
  },
  {
    area: 'Cache',
    promise: 'Official SDKs of OpenAI, Anthropic and DashScope read the counters',
    source: CACHE,
    test: 'test/contract/context-cache.test.ts#tells what was created and what was read, apart from the rest of the input',
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
  {
    area: 'Responses',
    promise: 'Programs for the OpenAI SDK run with only base URL and key changed, on all three prefixes',
    source: RESPONSES,
    test: `${responses}#answers`,
  },
  {
    area: 'Responses',
    promise: 'Streams have every event in its order, whole resources, and numbers without gaps',
    source: OPEN_RESPONSES,
    test: `${everyWire}#a stream says what the plain body says`,
  },
  {
    area: 'Responses',
    promise: 'What is stored is what the client read',
    source: RESPONSES,
    test: `${responseUnits}#is the body that the client reads`,
  },
  {
    area: 'Responses',
    promise: 'The vendor’s frames on its paths, OpenAI’s on /v1',
    source: RESPONSES,
    test: `${responses}#numbers its events from 0 and sends [DONE] only where OpenAI does`,
  },
  {
    area: 'Responses',
    promise: 'Refusals have a true status, the vendor’s words, and both forms of body',
    source: ERRORS,
    test: `${responses}#have a flat code beside the nested one`,
  },
  {
    area: 'Responses',
    promise: 'A response is continued with its history and without its instructions',
    source: RESPONSES,
    test: `${responses}#continues a response`,
  },
  {
    area: 'Responses',
    promise: 'Stored responses survive a restart and expire',
    source: RESPONSES,
    test: `${responses}#live on after a restart`,
  },
  {
    area: 'Ledger',
    promise: 'A worked sheet of tiered, thinking, cached, batch, cancelled and failed calls, to the nano-yuan',
    source: 'Billing page; models reference §4, §5',
    test: 'src/billing/prices.test.ts#it.each(SHEET)',
  },
  {
    area: 'Ledger',
    promise: 'A bill of calls of all kinds, through pipeline, ledger and database, equals a sheet worked out by hand',
    source: 'Billing page; models reference §4, §5',
    test: 'test/worked-bill.test.ts#is right to the nano-yuan, receipt by receipt and in every sum',
  },
  {
    area: 'Ledger',
    promise:
      'A kill -9 under load loses no receipt and doubles none; sums, free quotas and budgets agree with receipts',
    source: 'docs/decisions/0014-ledger.md',
    test: 'test/ledger-kill/kill.test.ts#a ledger that is killed under load loses no receipt and doubles none, and all sums agree',
  },
  {
    area: 'Ledger',
    promise: 'A database that takes nothing loses no receipt; when too many wait, calls are refused with a 503',
    source: 'docs/billing.md',
    test: 'test/contract/ledger.test.ts#a database that takes nothing keeps calls going until too many receipts wait; no receipt is lost',
  },
  {
    area: 'Ledger',
    promise:
      'Free tokens pay until they are used up; then calls are paid for, or refused as AllocationQuota.FreeTierOnly',
    source: 'models reference §4, "Free quota"',
    test: 'test/contract/ledger.test.ts#a free quota that is used up stops calls when that is switched on, in the words of the service',
  },
  {
    area: 'Ledger',
    promise: 'A spent budget of a key or workspace stops its calls',
    source: 'docs/billing.md',
    test: 'test/contract/ledger.test.ts#a budget stops a key when it is spent, and no other',
  },
  {
    area: 'Ledger',
    promise: 'Every receipt has the charge of its call',
    source: 'Billing page; models reference §4',
    test: 'test/contract/charges.test.ts#a call costs what the catalogue says',
  },
  {
    area: 'Regions',
    promise:
      'A region is chosen by path, the vendor’s host names (also behind a proxy) or port, for HTTP and WebSockets',
    source: `${FOUNDING}, "Service Endpoints"; ${CHAT}; ${NATIVE}`,
    test: 'src/http/listeners.test.ts#are told by the path and by the host before the port',
  },
  {
    area: 'Regions',
    promise: 'A key of another region is a 401 in the words of each wire, with the FAQ behind them',
    source: `${FOUNDING}, "FAQ"; ${ERRORS}`,
    test: 'test/contract/regions.test.ts#a key of another region is refused with the FAQ',
  },
  {
    area: 'Regions',
    promise: 'Error texts link the help page of the region',
    source: ERRORS,
    test: 'src/protocols/openai-envelope.test.ts#the help page',
  },
  {
    area: 'Regions',
    promise:
      'A workspace is chosen by X-DashScope-WorkSpace or its own host, and refused as WorkSpaceNotFound or Workspace.AccessDenied',
    source: `Model Studio, "Sub-workspaces"; ${ERRORS}`,
    test: 'test/contract/regions.test.ts#that is not there, or not its own, is refused on',
  },
  {
    area: 'Regions',
    promise: 'Unmodified SDKs with the vendor’s https hosts work behind a hosts entry and a trusted certificate',
    source: 'design/platform',
    test: 'test/contract/regions.test.ts#talks to Beijing and to Singapore, each with its key',
  },
  {
    area: 'Regions',
    promise: 'The authority that programs trust can vouch for nothing but the service’s hosts and this machine',
    source: 'RFC 5280, 4.2.1.10',
    test: 'src/tls/certificates.test.ts#cannot vouch for others, whoever has stolen its key',
  },
  {
    area: 'Stores',
    promise: 'A database of every released schema is opened, with every row, and read',
    source: 'Issue 5, "Stores"',
    test: 'test/released-databases.test.ts#has every row, unchanged, in the schema of a new one',
  },
  {
    area: 'Stores',
    promise: 'Servers that share a Postgres find each other’s files, responses, conversations and batches',
    source: 'Issue 5, "Must show" 5',
    test: 'test/shared-database.test.ts#two servers on one Postgres',
  },
  {
    area: 'Stores',
    promise: 'Turns of one conversation follow each other, on whatever server they are taken',
    source: 'Issue 5, "Must show" 5',
    test: 'test/shared-database.test.ts#turns of one conversation on both follow each other',
  },
  {
    area: 'Stores',
    promise: 'A batch whose server is gone goes on on another, no result lost or doubled',
    source: 'docs/decisions/0011',
    test: 'src/protocols/openai-batches/index.test.ts#what one leaves behind, another goes on with',
  },
  {
    area: 'Stores',
    promise:
      'A backup made while calls go on is sound, and a server starts from it with its keys, files and conversations',
    source: 'Issue 5, "Stores"',
    test: 'test/backup.test.ts#is whole and sound though calls go on',
  },
  {
    area: 'Stores',
    promise: 'What is older than its retention is removed in the background; sums stay',
    source: 'Issue 5, "Stores"',
    test: 'src/stores/sql/retention.test.ts#takes out receipts of before, however many, and leaves the sums',
  },
  {
    area: 'Catalogue',
    promise: 'Every model of the founding document is there, its nine prices to the digit',
    source: FOUNDING,
    test: 'src/catalogue/load.test.ts#costs in Beijing what the founding document says',
  },
  {
    area: 'Catalogue',
    promise: 'A model is offered in its regions alone, at their prices, limits and free tokens',
    source: 'Models reference §2, §3, §4, §7',
    test: 'src/catalogue/load.test.ts#has a model only where it is offered',
  },
  {
    area: 'Catalogue',
    promise: 'What a model cannot do is refused on every wire in the vendor’s code and text, and costs nothing',
    source: 'Models reference §8; openai-chat reference §18.3; dashscope-native reference §8',
    test: 'test/catalogue-checks.test.ts#refused because of the model',
  },
  {
    area: 'Catalogue',
    promise: 'Own models are listed, checked, charged and granted like the vendor’s',
    source: 'design/platform',
    test: 'test/catalogue-checks.test.ts#an own model',
  },
  {
    area: 'Ledger',
    promise: '`atelier usage` sums calls, tokens and charges by day, model, key or ending',
    source: 'Billing page; models reference §4',
    test: 'src/stores/sql/usage.test.ts#sums every count, by day in order',
  },
  {
    area: 'Every wire',
    promise: 'Bad input gets an error in its envelope, whatever stands in the body; never a 500',
    source: 'openai-chat, anthropic-messages, dashscope-native and responses references, errors',
    test: 'test/contract/mutated-requests.test.ts#answers whatever stands in a body',
  },
  {
    area: 'Every wire',
    promise: 'Texts, reasoning, calls and counts survive any pair of wires',
    source: 'design/canonical',
    test: "test/wire-pairs.property.test.ts#describe.each(pairs)('$pair'",
  },
  {
    area: 'Conversations',
    promise: 'A conversation goes when nobody has used it for 7 days',
    source: RESPONSES,
    test: 'src/stores/sql/conversations.test.ts#goes when it was not used for long',
  },
  {
    area: 'Responses',
    promise: 'Background calls are polled, cancelled, streamed again; a restart fails them',
    source: RESPONSES,
    test: `${responses}#goes on without its client, who may come back to the stream`,
  },
  {
    area: 'Responses',
    promise: 'Structured output is held',
    source: STRUCTURED,
    test: `${responses}#a structured answer, parsed by the SDK`,
  },
  {
    area: 'Responses',
    promise: 'Functions, custom tools and namespaces are called; a built-in tool that is not there is refused by name',
    source: TOOLS,
    test: `${responses}#in a namespace come back apart from it`,
  },
  {
    area: 'Responses',
    promise: 'A conversation is compacted, and only its own server reads the summary',
    source: RESPONSES,
    test: `${responses}#is compacted and sent back in its place`,
  },
  {
    area: 'Responses',
    promise: 'A connection remembers what is not stored, and forgets it when a turn fails',
    source: OPEN_RESPONSES,
    test: `${responseSocket}#is remembered by its connection until the next turn`,
  },
  {
    area: 'Responses',
    promise: 'A client that leaves is settled once',
    source: `${FOUNDING}, "Billing Notes"`,
    test: `${responses}#in a client that leaves is settled once`,
  },
  {
    area: 'Conversations',
    promise: 'Conversations and their items are made, listed in pages, changed and deleted',
    source: CONVERSATIONS,
    test: `${conversations}#keeps items of every kind, and gives those without a type one`,
  },
  {
    area: 'Conversations',
    promise: 'Turns follow each other, and add their items when they complete',
    source: CONVERSATIONS,
    test: `${conversations}#waits for the one before it`,
  },
  {
    area: 'Conversations',
    promise: 'Responses and conversations, as all that is stored, belong to a workspace in a region',
    source: FOUNDING,
    test: 'test/contract/stored-things.test.ts#is there for every key of its owner, and not in',
  },
  {
    area: 'Clients',
    promise: 'The Agents SDK, the AI SDK and LangChain run on Responses',
    source: `${FOUNDING}, "OpenAI Compatible Mode"`,
    test: `test/contract/clients-agents-responses.test.ts#keeps a conversation, calls included`,
  },
  {
    area: 'Clients',
    promise:
      'The Vercel AI SDK runs with its openai (chat), openai-compatible and alibaba providers, only URL and key changed',
    source: `${FOUNDING}, "OpenAI Compatible Mode"`,
    test: `${aiSdkChat}#streams a tool loop with two calls in fragments`,
  },
  {
    area: 'Clients',
    promise: 'Its alibaba provider keeps reasoning apart and sends it back; budgets and cache marks are taken',
    source: THINKING,
    test: `${aiSdkChat}#preserved thinking is read again, and paid for`,
  },
  {
    area: 'Clients',
    promise: 'LangChain runs on Chat Completions: invoke, stream, tools, structured output, usage',
    source: `${FOUNDING}, "OpenAI Compatible Mode"`,
    test: 'test/contract/clients-langchain-chat.test.ts#finishes a tool loop',
  },
  {
    area: 'Clients',
    promise: 'The OpenAI Agents SDK runs on Chat Completions: tools, handoffs, output types, streams',
    source: `${FOUNDING}, "OpenAI Compatible Mode"`,
    test: 'test/contract/clients-agents-chat.test.ts#streams a tool loop with two calls',
  },
  {
    area: 'Every wire',
    promise: 'A program reads the same from a stream as from a plain body',
    source: `${FOUNDING}, "Streaming Output"`,
    test: `${everyWire}#a stream says what the plain body says`,
  },
  {
    area: 'Every wire',
    promise: 'Text, reasoning, arguments of calls and the counts of the usage are told as they were made',
    source: `${FOUNDING}, "Billing Notes"`,
    test: `${everyWire}#both say what was said`,
  },
  {
    area: 'Every wire',
    promise: 'Frames are whole wherever a stream is cut, and nothing follows its end',
    source: `${FOUNDING}, "Streaming Chunk Format"`,
    test: `${everyWire}#the end comes with the last event, and nothing after it`,
  },
  {
    area: 'Completions',
    promise: 'Coder weights fill in the middle for real, by suffix and by the tokens that the caller spelt',
    source: COMPLETIONS,
    test: 'test/weights/completions.weights.test.ts#does the same for the prompt that the caller spelt himself',
  },
  {
    area: 'Completions',
    promise: 'The official SDK runs unchanged: plain, streamed, several choices, echo, log probabilities',
    source: COMPLETIONS,
    test: `${completions}#go on with a prompt, under the id that was asked`,
  },
  {
    area: 'Completions',
    promise: "Models that do not fill in the middle are told in the service's words",
    source: COMPLETIONS,
    test: `${completions}#an unsupported model is told in the service's words`,
  },
  {
    area: 'Completions',
    promise: 'Requests, chunks and bodies are pinned for every scenario',
    source: COMPLETIONS,
    test: 'test/openai-completions-goldens.test.ts#describeEncodeGoldens',
  },
  {
    area: 'Completions',
    promise: "Control tokens in a caller's text are text, unless he wrote a fill-in-the-middle prompt himself",
    source: COMPLETIONS,
    test: 'src/backends/embedded/raw-prompt.test.ts#means no other control token by its spelling',
  },
  {
    area: 'Completions',
    promise: 'vLLM, SGLang, llama-server, Ollama, Model Studio and OpenAI are each asked for a gap in their way',
    source: COMPLETIONS,
    test: 'src/backends/upstream/completions.test.ts#asks %s for a gap in its way',
  },
  {
    area: 'Engine',
    promise: 'Batch calls wait for live ones and never make one be refused',
    source: 'Model Studio, "OpenAI compatible - Batch"',
    test: 'src/backends/embedded/queue.test.ts#counts neither line against the limit of the other',
  },
  {
    area: 'Messages',
    promise: 'Programs for the Anthropic SDK run with only base URL and key changed',
    source: `${FOUNDING}, "Anthropic compatible"`,
    test: `${anthropic}#answers a catalogue model and echoes its id`,
  },
  {
    area: 'Messages',
    promise: 'Programs for the Anthropic SDK for Python run with only base URL and key changed',
    source: `${FOUNDING}, "Anthropic compatible"`,
    test: 'test/contract/python/anthropic_messages.py#answers and echoes the id that was asked for',
  },
  {
    area: 'Messages',
    promise: 'Both key headers, every base URL that clients make, any version and beta',
    source: MESSAGES,
    test: `${anthropic}#takes a key in either header, and any version of the API`,
  },
  {
    area: 'Messages',
    promise:
      'Every content block, system text anywhere, tools in every form, thinking and marks are read as documented',
    source: MESSAGES,
    test: `${messagesGoldens}#describeDecodeGoldens`,
  },
  {
    area: 'Messages',
    promise: 'Streams keep the grammar, one block open at a time, and come to the plain body, whatever the model does',
    source: 'Anthropic, "Streaming Messages"',
    test: 'src/protocols/anthropic-messages/encode.test.ts#keeps the grammar and comes to the plain body, whatever the model does',
  },
  {
    area: 'Messages',
    promise: 'The input of a call is one JSON object, whatever the model wrote',
    source: 'Anthropic, "Fine-grained tool streaming"',
    test: 'src/protocols/anthropic-messages/tool-input.test.ts#is one object whatever a model writes, and the same one in every cut',
  },
  {
    area: 'Messages',
    promise: 'Thinking goes out with a signature and comes back; no effort and no adaptive thinking is refused',
    source: MESSAGES,
    test: `${anthropic}#goes back with its signature`,
  },
  {
    area: 'Messages',
    promise: 'A call is forced also on a model that thinks by itself',
    source: MESSAGES,
    test: `${anthropic}#is off for a forced tool when nobody asked for it`,
  },
  {
    area: 'Messages',
    promise: 'Stop reasons and the matched stop sequence',
    source: MESSAGES,
    test: `${anthropic}#stops at a stop sequence and names it`,
  },
  {
    area: 'Messages',
    promise: 'count_tokens counts what the message then costs',
    source: 'Anthropic, "Token counting"',
    test: `${anthropic}#counts what the message then costs`,
  },
  {
    area: 'Messages',
    promise: 'Errors in the envelope, each with its class in the SDK',
    source: 'Anthropic, "Errors"',
    test: `${anthropic}#has its class, type and request id`,
  },
  {
    area: 'Messages',
    promise: 'A prompt that is too long is told in the words on which Claude Code compacts',
    source: 'Claude Code, "Error reference"',
    test: 'src/protocols/anthropic-messages/errors.test.ts#is told in the words that make Claude Code compact, the native ones behind',
  },
  {
    area: 'Messages',
    promise: 'Side requests of Claude Code to claude models are answered',
    source: 'Claude Code, "Model configuration"',
    test: `${anthropic}#of Claude Code’s side requests are answered, under the id that was asked for`,
  },
  {
    area: 'Messages',
    promise: 'A client that leaves is settled once',
    source: `${FOUNDING}, "Billing Notes"`,
    test: `${anthropic}#settle once when the client leaves`,
  },
  {
    area: 'Messages',
    promise: 'The Vercel AI SDK runs with its Anthropic provider',
    source: 'AI SDK, "Anthropic provider"',
    test: 'test/contract/clients-ai-sdk-anthropic.test.ts#runs tools until there is an answer, reasoning and all',
  },
  {
    area: 'Messages',
    promise: 'Citations, PDF documents and web search',
    source: 'Anthropic, "Citations"',
    gap: 'citations are not shown; the others are refused by name',
  },
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
    area: 'DashScope',
    promise:
      'Programs for the Python SDK run with only base URL and key changed: sync, async, streams, tools, thinking',
    source: `${FOUNDING}, "DashScope Native"`,
    test: 'test/contract/python/dashscope_native.py#streams what is new to a program that wants all so far',
  },
  {
    area: 'DashScope',
    promise: 'Every recorded request is understood, and every recorded reply comes back event by event',
    source: 'captured traffic of the service, 2024 to 2026',
    test: `${nativeCaptures}#there are captures`,
  },
  {
    area: 'DashScope',
    promise: 'Events are framed to the byte, with usage in each',
    source: `${NATIVE}, streaming`,
    test: `${native}#is framed as the service frames it`,
  },
  {
    area: 'DashScope',
    promise: 'Form and increments have the default of the model',
    source: `${NATIVE}, result_format and incremental_output`,
    test: `${nativeUnits}/forms.test.ts#defaults by model (§3.2)`,
  },
  {
    area: 'DashScope',
    promise: 'Incremental and cumulative streams tell the same, event by event',
    source: `${NATIVE}, incremental_output`,
    test: `${nativeUnits}/encode.test.ts#tell the same, event by event`,
  },
  {
    area: 'DashScope',
    promise: "A model asked at the wrong service is refused in the service's words",
    source: ERRORS,
    test: `${native}#bad input`,
  },
  {
    area: 'DashScope',
    promise: 'Every error has its status and code, also in a stream, and costs nothing',
    source: ERRORS,
    test: `${nativeUnits}/errors.test.ts#of a call that asked for a stream: 400 as an event, anything else as itself`,
  },
  {
    area: 'DashScope',
    promise: 'Payloads are encrypted both ways when asked',
    source: 'source of the official SDKs',
    test: `${nativeUnits}/encryption.test.ts#an encrypted input is read, and the output encrypted`,
  },
  {
    area: 'DashScope',
    promise: 'Text is split into tokens, and models are listed by pages',
    source: `${NATIVE}, tokenization`,
    test: `${nativeUnits}/index.test.ts#are those of the raw text, message by message`,
  },
  {
    area: 'Limits',
    promise: '100 calls a second of a model, the catalogue’s calls and tokens a minute: exactly what they allow passes',
    source: `${FOUNDING}, "Rate Limits & Retry"; Model Studio, "Rate limits"`,
    test: 'src/pipeline/features/admission.test.ts#let exactly what they allow through at five times the limit, however many calls come',
  },
  {
    area: 'Limits',
    promise: 'A refusal has the vendor’s code and text and says how long to wait, on every wire',
    source: `${ERRORS}; Model Studio, "Rate limits"`,
    test: 'test/contract/limits.test.ts#too many calls a minute are refused, with how long to wait',
  },
  {
    area: 'Limits',
    promise: 'Ten streams and WebSockets of a key at a time',
    source: `${FOUNDING}, "Rate Limits & Retry"`,
    test: 'test/contract/limits.test.ts#are ten where nobody says otherwise',
  },
  {
    area: 'Limits',
    promise: 'The official SDKs’ own retries get through',
    source: `${FOUNDING}, "Rate Limits & Retry"`,
    test: 'test/contract/limits.test.ts#all succeed with OpenAI’s',
  },
  {
    area: 'Limits',
    promise: 'A surge waits instead of failing with X-DashScope-Wait-Timeout',
    source: 'Model Studio, "Rate limits"',
    test: 'test/contract/limits.test.ts#is refused when it is asked for, and waited for by who asks for that',
    gap: 'off unless `limits.burst` is set: the vendor’s threshold is not known',
  },
  {
    area: 'Limits',
    promise: 'Servers with one Redis count together; without it each goes on in memory',
    source: 'design/platform',
    test: 'src/limits/redis.test.ts#are counted in memory while Redis is away, with one warning, and in Redis again when it is back',
  },
  {
    area: 'Files',
    promise: "OpenAI's SDK uploads, lists, reads and deletes files with only URL and key changed",
    source: FILES,
    test: `${filesAndBatches}#are uploaded, found, read and deleted`,
  },
  {
    area: 'Files',
    promise: 'Replies of both file services are as recorded, key by key',
    source: FILES,
    test: 'test/files-and-batches-captures.test.ts#upload-file: the purpose comes after the file',
  },
  {
    area: 'Files',
    promise: 'A client that leaves in the middle of an upload leaves nothing',
    source: FILES,
    test: `${filesAndBatches}#of clients that leave in the middle leave nothing`,
  },
  {
    area: 'Files',
    promise: 'Purposes, formats, sizes and the quota are held, also between uploads at once',
    source: FILES,
    test: 'src/protocols/openai-files/index.test.ts#that the quota is full, when two uploads at once would fill it',
  },
  {
    area: 'Files',
    promise: 'Native uploads take several files with descriptions and tell which were not taken',
    source: 'Recorded exchanges of the native file service',
    test: 'src/protocols/dashscope/files.test.ts#tells which files were not taken, beside those that were',
  },
  {
    area: 'Batches',
    promise: 'Lines run in the background and come back in their order, errors apart',
    source: BATCHES,
    test: `${filesAndBatches}#run, and give results and errors in the order of lines`,
  },
  {
    area: 'Batches',
    promise: 'Replies are as recorded, key by key',
    source: BATCHES,
    test: 'test/files-and-batches-captures.test.ts#cancel-batch: the answer does not wait for the work to be cut',
  },
  {
    area: 'Batches',
    promise: 'Input is checked line by line before anything is called',
    source: BATCHES,
    test: 'src/protocols/openai-batches/validate.test.ts#says what is wrong with a line',
  },
  {
    area: 'Batches',
    promise: 'A kill -9 in the middle does no line twice and loses none',
    source: 'issue 4',
    test: 'test/batch-kill.test.ts#ends with one result for each of 200 lines after a kill -9 in the middle',
  },
  {
    area: 'Batches',
    promise: 'A kill while the files are made makes one file',
    source: 'issue 4',
    test: `${batchWire}#after the file was made takes it as it is`,
  },
  {
    area: 'Batches',
    promise: 'Cancelling cuts what runs and keeps what is done',
    source: BATCHES,
    test: `${batchWire}#cuts what runs, keeps what is done and gives up the rest`,
  },
  {
    area: 'Batches',
    promise: 'What is not done within the window is given up',
    source: BATCHES,
    test: `${batchWire}#keeps what is done and gives up the rest`,
  },
  {
    area: 'Batches',
    promise: 'The receipt of a line tells that it costs half',
    source: BATCHES,
    test: `${filesAndBatches}#are told from live calls on the receipt`,
  },
  {
    area: 'Batches',
    promise: 'Callbacks reach no private address unless a setting allows it',
    source: BATCHES,
    test: 'src/outbound/webhooks.test.ts#are not called: %s',
  },
  {
    area: 'DashScope sockets',
    promise: 'Tasks over a WebSocket in all four modes, several on one socket',
    source: NATIVE_SOCKET,
    test: `${socket}#collects pieces in mode %s until finish-task`,
  },
  {
    area: 'DashScope sockets',
    promise: 'A bad frame ends a task, never the socket',
    source: NATIVE_SOCKET,
    test: `${socket}#answers %s with task-failed`,
  },
  {
    area: 'DashScope sockets',
    promise: 'A client that leaves stops its task, settled once',
    source: 'issue 4',
    test: `${socket}#stops what runs when the client leaves, and settles it once`,
  },
  {
    area: 'DashScope sockets',
    promise: 'Frames and idle time are bounded, a slow reader costs little memory',
    source: 'issue 4',
    test: 'src/http/websocket.test.ts#waits for a reader that is slow, without keeping more than its share in memory',
  },
  {
    area: 'DashScope sockets',
    promise: "The vendor's Python SDK works over a socket",
    source: `${FOUNDING}, "DashScope Native"`,
    test: 'test/contract/dashscope-python.test.ts#dashscope_sockets.py',
  },
  {
    area: 'DashScope uploads',
    promise: 'A file is put up by a signed policy and read by the model it is for, as oss://',
    source: UPLOADS,
    test: `${nativeUploads}#reach the model as they were uploaded, on every wire`,
  },
  {
    area: 'DashScope uploads',
    promise: 'Unknown, expired and foreign uploads are refused before anything is spent',
    source: UPLOADS,
    test: 'src/pipeline/features/uploads.test.ts#refuses an upload that %s, before anything is generated',
  },
  {
    area: 'DashScope uploads',
    promise: 'A tampered or expired policy puts nothing up, and nothing is half written',
    source: UPLOADS,
    test: 'src/protocols/dashscope/uploads.test.ts#refuses a file over the limit of its policy, and a body that breaks off, and keeps nothing',
  },
  {
    area: 'DashScope tasks',
    promise: 'Tasks are found, listed and cancelled as recorded',
    source: 'Model Studio, "Manage asynchronous tasks"; captured traffic of the service',
    test: 'test/dashscope-resource-captures.test.ts#a list of tasks',
  },
  {
    area: 'DashScope tasks',
    promise: 'Something makes tasks',
    source: 'Model Studio, "Manage asynchronous tasks"',
    gap: 'No model that generates text makes tasks; the store takes them.',
  },
  {
    area: 'Keys',
    promise: 'Temporary keys stand for their key until they expire or it is revoked',
    source: 'Model Studio, "Generate a temporary API key"',
    test: 'src/accounts/key-ring.test.ts#die with their key',
  },
  {
    area: 'Keys',
    promise: 'A revocation or a changed grant holds on every server of a database within a second, a new key at once',
    source: 'design/platform',
    test: 'test/shared-keys.test.ts#refuses a revoked key, and what was made from it, after one look',
  },
  {
    area: 'Administration',
    promise: 'Only an admin key opens `/admin`, and it calls no model',
    source: 'design/platform',
    test: 'test/contract/admin.test.ts#opens with an admin key only, which calls no model',
  },
  {
    area: 'Administration',
    promise: 'Every change is an audit row of who made it, without secrets',
    source: 'design/platform',
    test: 'test/admin.test.ts#audits every change by its admin key, and refusals not',
  },
  {
    area: 'Reports',
    promise:
      'Usage by hour, day, month, model, key, workspace, region, wire, ending, priority and kind agrees with the receipts, exactly',
    source: 'design/platform',
    test: 'src/stores/sql/usage.test.ts#equals what the receipts say',
  },
  {
    area: 'Reports',
    promise: 'The monthly bill has the service’s lines, of months of Beijing, with all nine decimals',
    source: 'Model Studio, "Billing"',
    test: 'src/stores/sql/bills.test.ts#has one line a key, workspace, model, item and way to pay, in the month of Beijing',
  },
  {
    area: 'Reports',
    promise: 'The log of requests is paged by any filter, each call once, newest first',
    source: 'design/platform',
    test: 'src/stores/sql/request-log.test.ts#pages any calls by any filter, each once, newest first',
  },
  {
    area: 'Reports',
    promise: 'Bodies of calls are kept of keys that were made for it only, redacted, for their time',
    source: 'design/platform',
    test: 'test/contract/admin-reports.test.ts#shows one with its bill, and with bodies where the key keeps them',
  },
  {
    area: 'Secrets',
    promise: 'No key, prompt or answer stands in a log line, an error, the metrics, the audit or the journal',
    source: 'design/platform',
    test: 'test/secrets.test.ts#nothing of them stands',
  },
  {
    area: 'Record and replay',
    promise: 'A recording proxy passes bytes on unharmed, streams piece by piece, and lets go when the client leaves',
    source: 'docs/wires/replay.md',
    test: 'src/record/proxy.test.ts#passes a stream on piece by piece',
  },
  {
    area: 'Record and replay',
    promise: 'Keys, account numbers, signatures and cookies are never written',
    source: 'docs/wires/replay.md',
    test: 'test/contract/record-replay.test.ts#recordings hold everything but secrets',
  },
  {
    area: 'Record and replay',
    promise: 'Every recorded exchange of the service that has a request is replayed without a difference',
    source: 'captured traffic of the service',
    test: 'test/replay-captures.test.ts#compare-captures finds no difference, twice over',
  },
  {
    area: 'Record and replay',
    promise: 'A recording of one wire is served on every other',
    source: `${FOUNDING}, "OpenAI Compatible Mode"; docs/wires/replay.md`,
    test: 'test/contract/record-replay.test.ts#is served over Messages, with its reasoning and its calls',
  },
  {
    area: 'Record and replay',
    promise: 'A request that nobody recorded is a 404 that names the nearest recording and what differs',
    source: 'docs/wires/replay.md',
    test: 'test/contract/record-replay.test.ts#is a 404 that shows the nearest recording',
  },
  {
    area: 'DashScope',
    promise: 'Phases of a research, the misspelt members included, and the event that ends them',
    source: 'Model Studio, "Deep Research"',
    test: 'src/protocols/dashscope/research.test.ts#is told in phases, and ends with a last event',
  },
  {
    area: 'Engines',
    promise: 'A llama-server decodes the same plans: held calls, budgets, stop texts, JSON that is closed at any limit',
    source: 'docs/engines.md',
    test: 'src/backends/embedded/llama-server/jobs.test.ts#closes JSON in time: token by token, each held to what is left of the grammar',
  },
  {
    area: 'Engines',
    promise: 'A managed llama-server answers only to its key and does not outlive the server, even when that is killed',
    source: 'docs/engines.md',
    test: 'src/backends/embedded/llama-server/server-process.test.ts#does not outlive a parent that is killed',
  },
  {
    area: 'Engines',
    promise: 'What one account left warm in a slot is not found by another',
    source: 'docs/engines.md',
    test: 'src/backends/embedded/llama-server/jobs.test.ts#finds a prefix again in its slot, but not what another caller left there',
  },
  {
    area: 'Engines',
    promise: 'An engine is installed only with the digest that is pinned for it',
    source: 'docs/engines.md',
    test: 'src/engines/install.test.ts#refuses other bytes and leaves nothing of them',
  },
  {
    area: 'Engines',
    promise: 'Weights that do not fit into memory are refused with the context that would',
    source: 'docs/engines.md',
    test: 'src/weights/fit.test.ts#fits or says which context would',
  },
  {
    area: 'Tool calls',
    promise:
      'A dozen families of models are known by their templates: told of tools, shown earlier calls, held to their spelling',
    source: 'docs/tools.md',
    test: 'src/backends/embedded/tool-families.test.ts#are told by their template, which tells of tools and shows earlier calls itself',
  },
  {
    area: 'Tool calls',
    promise: 'Calls in the text of a server are read in every spelling, however the text is cut',
    source: 'docs/tools.md',
    test: 'src/backends/parsers/tool-formats.test.ts#are read back as they were written, from any cut of the text, and nothing else is',
  },
  {
    area: 'Tool calls',
    promise: 'Arguments between tags are held to the schema',
    source: 'docs/tools.md',
    test: 'src/backends/embedded/constraints/tagged-arguments.test.ts#gives only texts that are read as valid arguments, and written the same again',
  },
  {
    area: 'Tool calls',
    promise:
      'Weights that were not made to call give the arguments that are asked for, as they are described, and none made up',
    source: 'docs/tools.md',
    test: 'test/weights/chat.weights.test.ts#gives the arguments that are asked for, as they are described, and none that nobody gave',
  },
  {
    area: 'Tool calls',
    promise: 'Several calls go on while something of the request is in none of them; what is not shown is not counted',
    source: 'docs/tools.md',
    test: 'src/backends/embedded/child/call-decoder.test.ts#show none that was made for a value and does not hold it, and count none of its tokens',
  },
];
