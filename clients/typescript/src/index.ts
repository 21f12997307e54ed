/** A typed client of the API: `connect({ baseUrl, key })`, and types made from its OpenAPI document. */

export { type Api, answered, type Connection, connect, refusal, type Schemas } from "./api.js";
export { ApiError, ConnectionError, PendingError, type Problem, UploadError } from "./errors.js";
export { newKey } from "./keys.js";
export { captionOf, captionOfUpload, captionPicture, LARGEST_REQUEST, uploadPicture } from "./pictures.js";
export { type Patience, retryAfter } from "./retrying.js";
export type { components, operations, paths } from "./schema.js";
