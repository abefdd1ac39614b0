/** Why a check failed, in words. */

/** @type {Record<string, string>} */
const REASONS = {
  "timed-out": "no answer came back in time",
  refused: "the connection was refused: nothing listens there",
  "name-unknown": "no name server that it asks knows this name",
  "resolver-failed": "its name server gave no answer",
  "no-route": "it has no route there",
  "no-address": "there is no address to send to",
  "host-unreachable": "no host on that link answers for the address",
  "administratively-prohibited": "a firewall rejected it",
  "message-too-long": "the packet is too large for the path",
  "connection-reset": "the connection was reset",
  "source-not-running": "the source is not running",
  "unexpected-answer": "the answer is not the expected one",
  "no-answer": "no answer came back",
  "namespace-out-of-reach": "the service cannot enter the source’s namespace",
  "resources-exhausted": "the service has no descriptor or memory left",
  "budget-exhausted": "the kernel’s neighbour table has no room left",
  deadline: "there was no time left for it",
  "not-allowed": "the service’s policy does not allow it",
};

/** @param {{ reason: string | null }} failed  A measurement, or an address of an answer. */
export const reasonOf = ({ reason }) => reasonText(reason ?? "");

/**
 * The words for the code of a reason.
 * @param {string} code
 */
export const reasonText = (code) => REASONS[code] ?? code;
