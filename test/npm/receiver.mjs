// receiver.mjs PORT_FILE -- an HTTP server that verifies signatures, as
// receivers do: with the libraries of Standard Webhooks, GitHub and Stripe.
//
//   POST /verify/SCHEME/ANY?fails=N  verifies the request: 200, or 401 and the
//                                    reason.  The first N (0) for each target
//                                    get 503, once verified
//   POST /secrets                    sets the secrets, by scheme: a JSON object
//   GET /seen                        what was verified, in order, as JSON

import { createServer } from 'node:http';
import { renameSync, writeFileSync } from 'node:fs';
import { verify } from '@octokit/webhooks-methods';
import { Webhook } from 'standardwebhooks';
import Stripe from 'stripe';

const stripe = new Stripe('sk_test_unused');
const secrets = {};
const seen = [];
const left = new Map();

// Each throws, or is false, unless the signature is right.
const schemes = {
  standard: (body, headers) => (new Webhook(secrets.standard).verify(body, headers), true),
  github: (body, headers) => verify(secrets.github, body.toString(), headers['x-hub-signature-256']),
  stripe: (body, headers) => (stripe.webhooks.constructEvent(body, headers['stripe-signature'], secrets.stripe), true),
};

async function verified(scheme, body, headers) {
  try {
    return (await schemes[scheme](body, headers)) ? null : 'the signature is wrong';
  } catch (error) {
    return error.message;
  }
}

async function answer(request, body) {
  const url = new URL(request.url, 'http://localhost');
  const scheme = url.pathname.split('/')[2];

  if (url.pathname === '/secrets') return [200, Object.assign(secrets, JSON.parse(body))];
  if (url.pathname === '/seen') return [200, seen];

  const { 'webhook-id': id, 'webhook-timestamp': timestamp } = request.headers;
  const signature = request.headers['webhook-signature'] ?? request.headers['x-hub-signature-256'] ?? request.headers['stripe-signature'];
  const error = await verified(scheme, body, request.headers);
  seen.push({ target: request.url, id, timestamp, signature, error });
  if (error) return [401, { error }];

  const fails = left.get(request.url) ?? Number(url.searchParams.get('fails') ?? 0);
  left.set(request.url, fails - 1);
  return [fails > 0 ? 503 : 200, { verified: scheme }];
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const [status, value] = await answer(request, Buffer.concat(chunks));
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
});

server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  const file = process.argv[2];
  writeFileSync(`${file}.new`, String(server.address().port));
  renameSync(`${file}.new`, file);
});
process.stdin.resume().on('end', () => process.exit());
