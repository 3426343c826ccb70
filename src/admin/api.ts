/** The form of the administration's routes, free of any web framework; `src/http/admin.ts` mounts them. */

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** The whole API: what HTTP needs to know. */
export interface AdminApi {
  readonly routes: readonly AdminRoute[];
  /** The reply of anything that was thrown, by a route or before one was found. */
  handleError(thrown: unknown): AdminReply;
}

/** One path and method; finds out who asks before anything else. */
export interface AdminRoute {
  readonly method: Method;
  /** With `:name` parameters, `/admin/keys/:id`. */
  readonly path: string;
  handle(request: AdminRequest): Promise<AdminReply>;
}

export interface AdminRequest extends ResourceInputs {
  /** The header. */
  readonly authorization: string | undefined;
}

export interface ResourceInputs {
  readonly params: { readonly [name: string]: string };
  readonly query: URLSearchParams;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
}

export interface AdminReply {
  readonly status: number;
  readonly headers?: { readonly [name: string]: string } | undefined;
  /** Sent as JSON, a string as it is; undefined sends no body. */
  readonly body?: unknown;
  /** Sent instead of `body`, piece by piece; name its type in `headers`. */
  readonly stream?: AsyncIterable<Uint8Array | string> | undefined;
}

/** What a route does once it is known who asks. */
export interface AdminResource {
  readonly method: Method;
  /** Below `/admin`: `/keys/:id`. */
  readonly path: string;
  handle(request: ResourceInputs & { readonly actor: string }): Promise<AdminReply>;
}
