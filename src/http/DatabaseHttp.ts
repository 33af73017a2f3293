/**
 * For services on `@effect/platform`: routes that tell how the database stands, one transaction for each request, and the
 * status with which a database's failure is answered.
 *
 * @since 0.1.0
 */
export { type Options as RoutesOptions, type Path, routes } from "./Routes.js"
export { answerErrors, statusOf } from "./Status.js"
export { type Options as TransactionalOptions, transactional } from "./Transactional.js"
