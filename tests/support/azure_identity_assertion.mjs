// Prints the client assertion that Microsoft's @azure/identity signs with a certificate. Nothing is sent.
//
// Arguments: a PEM file with the certificate and its key, and the folder that has node_modules/@azure/identity.
import { createRequire } from "node:module";
import { join } from "node:path";

const [pem, folder] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const { ClientCertificateCredential } = require("@azure/identity");
const { createHttpHeaders } = require("@azure/core-rest-pipeline");

const tenant = "6a98b5da-7b3c-4486-bb0b-66a048c6da62";
const client = "11111111-2222-4333-8444-555555555555";
const authority = `https://login.microsoftonline.com/${tenant}`;
let form;

// Answers as Entra would, and keeps the form.
const httpClient = {
  async sendRequest(request) {
    let body;
    if (request.method === "POST") {
      form = new URLSearchParams(request.body);
      body = { access_token: "a.b.c", expires_in: 3599, token_type: "Bearer" };
    } else {
      body = {
        authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
        token_endpoint: `${authority}/oauth2/v2.0/token`,
        issuer: `${authority}/v2.0`,
        jwks_uri: `${authority}/discovery/v2.0/keys`,
      };
    }
    return { request, status: 200, headers: createHttpHeaders(), bodyAsText: JSON.stringify(body) };
  },
};

const options = { httpClient, disableInstanceDiscovery: true };
const credential = new ClientCertificateCredential(tenant, client, { certificatePath: pem }, options);
await credential.getToken("https://manage.office.com/.default");
console.log(form.get("client_assertion"));
