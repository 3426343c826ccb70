/** What the native API makes of every scenario and of kinds of request; the goldens are the expected bytes. */
import { loadCatalogue } from '../src/catalogue/load.ts';
import type { DashScopeReplyPlan } from '../src/protocols/dashscope/decode.ts';
import { PayloadKeys } from '../src/protocols/dashscope/encryption.ts';
import { generationOf } from '../src/protocols/dashscope/index.ts';
import { describeDecodeGoldens, describeEncodeGoldens } from './support/goldens.ts';

const catalogue = loadCatalogue();
const ports = { findCard: catalogue.find, keys: new PayloadKeys() };
const text = generationOf('text-generation', ports);
const multimodal = generationOf('multimodal-generation', ports);

const plan: DashScopeReplyPlan = {
  isStreaming: true,
  service: 'text-generation',
  form: 'message',
  isIncremental: true,
  hasChoices: false,
  isCallForced: false,
  tellsCache: true,
};

describeEncodeGoldens('dashscope', text, {
  'text-incremental': { ...plan, form: 'text' },
  'text-cumulative': { ...plan, form: 'text', isIncremental: false },
  'message-incremental': plan,
  'message-cumulative': { ...plan, isIncremental: false },
  'message-choices': { ...plan, hasChoices: true },
  'multimodal-incremental': { ...plan, service: 'multimodal-generation' },
  text: { ...plan, form: 'text', isStreaming: false },
  message: { ...plan, isStreaming: false },
  multimodal: { ...plan, service: 'multimodal-generation', isStreaming: false },
});

describeDecodeGoldens('dashscope', text);
describeDecodeGoldens('dashscope/multimodal', multimodal);
