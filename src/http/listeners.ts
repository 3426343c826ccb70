/**
 * The ports of a server: its own, and one for each region that has one. They lead into the same Node server, which takes
 * connections from anywhere, so that every port has its routes, sockets, limits and encryption.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { REGIONS, type Region } from '../core/regions.ts';
import type { Places } from './places.ts';

export interface ListenerPlan {
  readonly host: string;
  readonly port: number;
  /** A region whose port is the server's own takes that one. */
  readonly regionPorts: { readonly [region in Region]?: number | undefined };
}

export interface OpenPorts {
  readonly port: number;
  readonly regionPorts: { readonly [region in Region]?: number };
}

/** Time for what has been written to reach clients that are slow to take it. */
const LAST_BYTES_MS = 500;

/** Opens and closes the ports of one application. */
export class Listeners {
  readonly #app: FastifyInstance;
  readonly #places: Places;
  readonly #doors: Server[] = [];
  readonly #connections = new Set<Socket>();

  constructor(app: FastifyInstance, places: Places) {
    this.#app = app;
    this.#places = places;
    app.server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true);
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
    });
  }

  /** Throws when a port cannot be had. */
  async open({ host, port, regionPorts }: ListenerPlan): Promise<OpenPorts> {
    await this.#app.listen({ host, port });
    const own = portOf(this.#app.server);
    const opened: { [region in Region]?: number } = {};
    for (const region of REGIONS) {
      const wanted = regionPorts[region];
      if (wanted === undefined) continue;
      const taken = wanted !== 0 && wanted === port ? own : await this.#openDoor(host, wanted);
      this.#places.claimPort(taken, region);
      opened[region] = taken;
    }
    return { port: own, regionPorts: opened };
  }

  /**
   * Stops listening and lets go of every connection; to be called when no call is under way any more. A client that keeps
   * a connection open, or has opened one and says nothing (not even the greeting of TLS), would otherwise hold the end up
   * for as long as such connections are kept.
   */
  async close(): Promise<void> {
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, LAST_BYTES_MS);
    for (const door of this.#doors) door.close();
    await this.#app.close();
    clearTimeout(timer);
  }

  async #openDoor(host: string, port: number): Promise<number> {
    const { server } = this.#app;
    // As Node's own HTTP server has it; TLS ends its connections by itself.
    const door = createServer({ allowHalfOpen: !('setSecureContext' in server) }, (socket) =>
      server.emit('connection', socket),
    );
    this.#doors.push(door);
    await new Promise<void>((resolve, reject) => {
      door.once('error', reject);
      door.listen(port, host, () => {
        door.off('error', reject);
        resolve();
      });
    });
    return portOf(door);
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
