// Pays once, whatever happens to a Region: a client of the API for Node.js 20, to read and to copy (docs/integrate.md).
//
//     payctl outputs > outputs.json
//     node payments.mjs outputs.json orders.jsonl [SECONDS]
//
// Each line of the orders is a transaction with an id of its own. They are final when the program ends with 0; run it
// again with the same file, as often as you like: nothing is charged twice.
//
// It needs no package: a signature is forty lines here, and nothing has to be installed or kept up to date for it.

import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const OPEN = ["PENDING", "IN_DOUBT"];
const AVOID_MS = 30_000; // how long a Region is tried last after it failed to answer
const LONGEST_PAUSE_MS = 5_000;
const TIMEOUT_MS = 12_000; // the API answers within 10 seconds, or not at all

/** This payment was not made. The request, or who signed it, has to change first. */
export class RefusedError extends Error {}

/** Nobody knows yet: it may have been charged. Keep the id, and try again later with the same one. */
export class UnknownError extends Error {}

/** The API of an environment. `addresses` by Region, the nearest first; `credentials` makes {accessKeyId,
 * secretAccessKey, sessionToken}, also as a promise; `patience` in milliseconds for one payment. */
export class Payments {
  #avoid = new Map();

  constructor(addresses, credentials, patience = 120_000) {
    Object.assign(this, { addresses, credentials, patience });
  }

  /** Make a payment that was stored before, id and all; the final payment. Throws RefusedError, UnknownError. */
  async pay(transaction) {
    let unsure = false;
    for (const [region, turn] of this.#turns()) {
      const { status, headers, body } = await this.#send("POST", region, "/payments", { transaction });
      if (status === 200 || status === 201) return body;
      if (status === 202) return this.wait(transaction.id);
      if (status === 422) throw new RefusedError(body.detail); // for good, whatever went before
      if (status >= 400 && status < 500 && status !== 409 && status !== 429) {
        // After a request without an answer this refuses the repeat, and says nothing of the first.
        throw new (unsure ? UnknownError : RefusedError)(`${status}: ${JSON.stringify(body)}`);
      }
      unsure ||= status !== 409 && status !== 429;
      await rest(turn, headers);
    }
    throw new UnknownError(`no Region knew within ${this.patience / 1000} s`);
  }

  /** Read a payment that was accepted until it is final. Throws UnknownError. */
  async wait(id) {
    let last = "unread";
    for (const [region, turn] of this.#turns()) {
      const { status, headers, body } = await this.#send("GET", region, `/payments/${encodeURIComponent(id)}`);
      if (status === 200 && !OPEN.includes(body.status)) return body;
      if (status === 200) last = body.status;
      await rest(turn, headers);
    }
    throw new UnknownError(`accepted, and after ${this.patience / 1000} s ${last}`);
  }

  /** Which Region to ask, time after time, until patience ends: the nearest that is well, else the one that failed
   * longest ago. */
  *#turns() {
    const until = performance.now() + this.patience;
    for (let turn = 0, now; (now = performance.now()) < until; turn++) {
      const left = (region) => Math.max((this.#avoid.get(region) ?? 0) - now, 0);
      yield [Object.keys(this.addresses).reduce((best, next) => (left(next) < left(best) ? next : best)), turn];
    }
  }

  /** One request, signed for its Region and for now; status 0 where there was no answer. */
  async #send(method, region, path, value) {
    const url = new URL(this.addresses[region] + path);
    const body = value === undefined ? undefined : JSON.stringify(value);
    const headers = sign(method, url, body, region, await this.credentials());
    const options = { method, headers, body, redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) };
    let told = { status: 0, headers: new Headers(), body: {} };
    try {
      const answer = await fetch(url, options);
      told = { status: answer.status, headers: answer.headers, body: await answer.json() };
    } catch {
      // No answer, or none of this API: nobody knows what became of the request.
    }
    if (told.status === 0 || told.status >= 500) this.#avoid.set(region, performance.now() + AVOID_MS);
    return told;
  }
}

/** Wait as long as the API asks for, at least; longer each time, and never in step with other clients. */
function rest(turn, headers) {
  const pause = Math.max(Math.min(100 * 2 ** turn, LONGEST_PAUSE_MS), 1000 * Number(headers.get("retry-after") ?? 0));
  return sleep(pause * (0.5 + Math.random()));
}

/** The headers of a request with AWS Signature Version 4; the address has no query. */
export function sign(method, url, body, region, { accessKeyId, secretAccessKey, sessionToken }, now = new Date()) {
  const hash = (text) => createHash("sha256").update(text).digest("hex");
  const keyed = (key, text) => createHmac("sha256", key).update(text).digest();
  const percent = (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
  const escaped = (text) => encodeURIComponent(text).replace(/[!'()*]/g, percent);

  const at = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const day = at.slice(0, 8);
  const headers = { "x-amz-date": at };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (sessionToken) headers["x-amz-security-token"] = sessionToken;

  const signed = { ...headers, host: url.host };
  const names = Object.keys(signed).sort();
  // The path is escaped once in the address, and once more here: every service but S3 wants that.
  const path = url.pathname.split("/").map(escaped).join("/");
  const lines = names.map((name) => `${name}:${signed[name]}\n`).join("");
  const request = [method, path, "", lines, names.join(";"), hash(body ?? "")].join("\n");

  const scope = `${day}/${region}/execute-api/aws4_request`;
  const key = [day, region, "execute-api", "aws4_request"].reduce(keyed, `AWS4${secretAccessKey}`);
  const signature = keyed(key, ["AWS4-HMAC-SHA256", at, scope, hash(request)].join("\n")).toString("hex");
  const credential = `Credential=${accessKeyId}/${scope}`;
  headers.authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return headers;
}

/** The keys in the environment. With a role, give Payments a provider of @aws-sdk/credential-providers instead. */
export function fromEnvironment() {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
  return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken: AWS_SESSION_TOKEN };
}

/** Pay every order; a line for each as it ends. */
async function main(outputs, orders, patience = "120") {
  const addresses = JSON.parse(readFileSync(outputs, "utf8")).api_endpoints;
  const payments = new Payments(addresses, fromEnvironment, 1000 * Number(patience));
  const lines = readFileSync(orders, "utf8").split("\n").filter(Boolean);
  const waiting = lines.map((line) => JSON.parse(line));
  let good = true;

  async function work() {
    for (let transaction; (transaction = waiting.shift()); ) {
      let end;
      try {
        end = { status: (await payments.pay(transaction)).status };
      } catch (error) {
        if (!(error instanceof RefusedError || error instanceof UnknownError)) throw error;
        end = { status: error instanceof RefusedError ? "REFUSED" : "UNKNOWN", detail: error.message };
        good = false;
      }
      console.log(JSON.stringify({ id: transaction.id, ...end }));
    }
  }

  await Promise.all(Array.from({ length: 4 }, work));
  return good ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = await main(...process.argv.slice(2));
}
