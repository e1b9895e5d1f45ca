import type { Dialect } from './dialect.ts';
import { identityHex } from './request-identity.ts';
import { ResponseBody } from './response-body.ts';
import { ResponseStream } from './response-stream.ts';
import { ResponseTranslator } from './response-translator.ts';
import { readResponsesRequest } from './responses-request.ts';

/** `POST /v1/responses` */
export const responsesDialect: Dialect = {
  name: 'responses',
  conversationParam: 'input',
  read: readResponsesRequest,
  output(response, { request, body, tier, identity }) {
    const translator = new ResponseTranslator({
      hex: identityHex(identity),
      createdAt: Math.floor(Date.now() / 1000),
      body,
      tier,
      topLogprobs: request.topLogprobs,
    });
    return request.stream ? new ResponseStream(response, translator) : new ResponseBody(response, translator);
  },
};
