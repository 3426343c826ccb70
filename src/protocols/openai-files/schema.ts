/** The wire's own types ("OpenAI compatible - File"); key order as recorded. */

export interface FileObject {
  readonly id: string;
  readonly object: 'file';
  readonly bytes: number;
  readonly filename: string;
  readonly purpose: string;
  readonly status: 'processed';
  /** Seconds. */
  readonly created_at: number;
}

export interface FileList {
  readonly object: 'list';
  readonly data: readonly FileObject[];
  readonly has_more: boolean;
}

export interface DeletedFile {
  readonly id: string;
  readonly object: 'file';
  readonly deleted: true;
}
