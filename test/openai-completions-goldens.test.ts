/** What Completions makes of every scenario and of good and bad requests; the goldens are the expected bytes. */
import { completions } from '../src/protocols/openai-completions/index.ts';
import { describeDecodeGoldens, describeEncodeGoldens } from './support/goldens.ts';

const WIRE = 'openai-completions';

describeEncodeGoldens(WIRE, completions, {
  plain: { isStreaming: false, includesUsage: false, echoedText: '' },
  'with-usage': { isStreaming: true, includesUsage: true, echoedText: '' },
});
describeDecodeGoldens(WIRE, completions);
