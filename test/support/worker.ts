/** A worker ends with its runner: a killed runner cannot tell it to, and a test that waits would wait for ever. */
// Not process.exit: inside a worker the test runner turns that into an exception.
const endWithRunner = () => process.kill(process.pid, "SIGKILL")

if (!process.listeners("disconnect").some((listener) => listener.name === endWithRunner.name)) {
  process.once("disconnect", endWithRunner)
}
