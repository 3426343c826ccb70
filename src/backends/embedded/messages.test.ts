import { describe, expect, it } from 'vitest';
import { type ChatMessage, withResultsTold } from './messages.ts';

const call = (callId: string, name: string, inputText: string): ChatMessage => ({
  role: 'assistant',
  content: '',
  reasoning: undefined,
  calls: [{ callId, name, inputText }],
});
const result = (callId: string, content: string): ChatMessage => ({ role: 'tool', content, callId, name: undefined });

describe('withResultsTold', () => {
  it('tells the results after the last question in that question', () => {
    const told = withResultsTold([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Weather in Beijing and Paris?' },
      call('a', 'get_weather', '{"city": "Beijing"}'),
      result('a', 'sunny'),
      call('b', 'get_weather', '{"city": "Paris"}'),
      result('b', 'rain'),
    ]);
    expect(told).toHaveLength(2);
    expect(told[1]).toMatchObject({ role: 'user' });
    expect(told[1]?.content).toContain('Weather in Beijing and Paris?');
    expect(told[1]?.content).toContain('get_weather({"city": "Beijing"}) gave: sunny');
    expect(told[1]?.content).toContain('get_weather({"city": "Paris"}) gave: rain');
  });

  it('leaves earlier rounds as they are, and a conversation without a question too', () => {
    const earlier: ChatMessage[] = [{ role: 'user', content: 'one' }, call('a', 'f', '{}'), result('a', 'x')];
    const told = withResultsTold([
      ...earlier,
      { role: 'user', content: 'two' },
      call('b', 'f', '{}'),
      result('b', 'y'),
    ]);
    expect(told.slice(0, 3)).toEqual(earlier);
    expect(told).toHaveLength(4);
    expect(withResultsTold([result('a', 'x')])).toEqual([result('a', 'x')]);
  });
});
