// A certified OIDC provider for a test: node provider.cjs ISSUER
//
// It listens on the socket that it inherits as file descriptor 3, so that it can be ended and started anew
// at the same address. Each time it starts it has another key and knows no other. Machines sign in by
// client_credentials and get a signed JWT for sreg. It writes "ready" when it serves, and ends with SIGTERM.
'use strict';

const { generateKeyPairSync, randomUUID } = require('node:crypto');
const { Provider } = require('oidc-provider');

// The machines; life is how many seconds a token of theirs lives.
const machines = {
  builder: { groups: ['dev', 'ops'], life: 600 },
  guest: { groups: ['guests'], life: 600 },
  hasty: { groups: ['dev'], life: 8 },
};
// The resources for which a token can be asked, and the audience that it then has.
const audiences = { 'urn:test:sreg': 'sreg', 'urn:test:other': 'other' };

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const provider = new Provider(process.argv[2], {
  jwks: { keys: [{ ...key, kid: randomUUID(), alg: 'ES256', use: 'sig' }] },
  clients: Object.keys(machines).map((id) => ({
    client_id: id,
    client_secret: `${id}-secret`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: 'ES256',
  })),
  ttl: { ClientCredentials: (ctx, token, client) => machines[client.clientId].life },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: '',
        audience: audiences[resource],
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  extraTokenClaims: (ctx, token) => ({
    groups: machines[token.clientId].groups,
    email: `${token.clientId}@example.com`,
  }),
});
provider.on('server_error', (ctx, err) => console.error(err));

const server = provider.listen({ fd: 3 }, () => console.log('ready'));
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
