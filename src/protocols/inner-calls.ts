/** Calls of a wire from within the server (lines of a batch): the same decode, pipeline and encode as a client's. */
import { FrameWriter } from './frame-writer.ts';
import type { CallWire, GenerationProtocol, InnerCall, InnerReply, Wire } from './protocol.ts';
import { type ServePorts, serveGeneration } from './serve.ts';

/** `wires` is asked at the first call, as wires may make such calls themselves. */
export function createCallWire(wires: () => readonly Wire[], ports: ServePorts): CallWire {
  let byPath: ReadonlyMap<string, GenerationProtocol> | undefined;
  return (call) => {
    byPath ??= new Map(
      wires().flatMap(({ generations }) =>
        generations.flatMap((protocol) => protocol.paths.map((path): [string, GenerationProtocol] => [path, protocol])),
      ),
    );
    const protocol = byPath.get(call.path);
    return protocol && replyOf(protocol, call, ports);
  };
}

async function replyOf(protocol: GenerationProtocol, call: InnerCall, ports: ServePorts): Promise<InnerReply> {
  const requestId = ports.ids.uuid();
  const frames: string[] = [];
  let reply: InnerReply | undefined;
  const writer = new FrameWriter(
    {
      onFrame: (frame) => void frames.push(frame),
      onBody: (status, body) => {
        reply = { status, requestId, body };
      },
    },
    ports.clock,
  );
  await serveGeneration(
    protocol,
    {
      requestId,
      account: call.account,
      headers: {},
      query: new URLSearchParams(),
      body: call.body,
      writer,
      priority: call.priority,
      cancelSignal: call.signal,
    },
    ports,
  );
  return reply ?? { status: 200, requestId, body: frames.join('\n') };
}
