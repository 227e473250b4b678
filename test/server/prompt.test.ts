import { expect, test } from 'vitest';
import { nodes, serve, type Answer } from './harness.ts';

const config = { width: ['INT', { default: 512, min: 1, max: 16384, step: 1 }] };
const picture = { width: 8, height: 8, batch_size: 1, color: 0 };

async function refused(prompt: unknown, more: object = {}): Promise<Answer> {
  const server = await serve();
  const response = await server.post('/prompt', { prompt, ...more });
  expect(response.status).toBe(400);
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  return response.json();
}

const error = (type: string, message: string, details = '') => ({ type, message, details, extra_info: {} });
const failedError = (details = '') => error('prompt_outputs_failed_validation', 'Prompt outputs failed validation', details);

test('no prompt, no outputs, unknown classes, none at all', async () => {
  const server = await serve();
  expect(await (await server.post('/prompt', {})).json()).toEqual({ error: error('no_prompt', 'No prompt provided', 'No prompt provided'), node_errors: {} });
  expect(await refused(nodes({ 1: ['EmptyImage', picture] }))).toEqual({ error: error('prompt_no_outputs', 'Prompt has no outputs'), node_errors: {} });
  expect(await refused(nodes({ 1: ['PreviewAny', { source: 1 }] }), { partial_execution_targets: [] })).toMatchObject({ error: { type: 'prompt_no_outputs' } });
  expect(await refused(nodes({ 1: ['Nope'], 2: ['PreviewImage', { images: ['1', 0] }] }))).toEqual({ error: error('invalid_prompt', 'Cannot execute because node Nope does not exist.', 'Node ID \'#1\''), node_errors: {} });
  expect(await refused({ 1: { inputs: {} } })).toEqual({ error: error('invalid_prompt', 'Cannot execute because a node is missing the class_type property.', 'Node ID \'#1\''), node_errors: {} });
});

test('what is missing or wrong about values', async () => {
  expect(await refused(nodes({ 1: ['EmptyImage', { width: 8, height: 8, color: 0 }], 2: ['PreviewImage', { images: ['1', 0] }] }))).toEqual({
    error: failedError(),
    node_errors: { 1: { errors: [{ type: 'required_input_missing', message: 'Required input is missing', details: 'batch_size', extra_info: { input_name: 'batch_size' } }], dependent_outputs: ['2'], class_type: 'EmptyImage' } },
  });
  expect(await refused(nodes({ 1: ['EmptyImage', { ...picture, width: 0, height: 99999 }], 2: ['ImageScale', { image: ['1', 0], upscale_method: 'magic', width: '3.5', height: 8, crop: 'disabled' }], 3: ['PreviewImage', { images: ['2', 0] }] }))).toEqual({
    error: failedError(),
    node_errors: {
      1: {
        errors: [
          { type: 'value_smaller_than_min', message: 'Value 0 smaller than min of 1', details: 'width', extra_info: { input_name: 'width', input_config: config.width, received_value: 0 } },
          { type: 'value_bigger_than_max', message: 'Value 99999 bigger than max of 16384', details: 'height', extra_info: { input_name: 'height', input_config: config.width, received_value: 99999 } },
        ],
        dependent_outputs: ['3'], class_type: 'EmptyImage',
      },
      2: {
        errors: [
          {
            type: 'value_not_in_list', message: 'Value not in list', details: 'upscale_method: \'magic\' not in [\'nearest-exact\', \'bilinear\', \'area\', \'bicubic\', \'lanczos\']',
            extra_info: { input_name: 'upscale_method', input_config: [['nearest-exact', 'bilinear', 'area', 'bicubic', 'lanczos'], {}], received_value: 'magic' },
          },
          {
            type: 'invalid_input_type', message: 'Failed to convert an input value to a INT value', details: 'width, 3.5, \'3.5\' is no whole number',
            extra_info: { input_name: 'width', input_config: ['INT', { default: 512, min: 0, max: 16384, step: 1 }], received_value: '3.5', exception_message: '\'3.5\' is no whole number' },
          },
        ],
        dependent_outputs: ['3'], class_type: 'ImageScale',
      },
    },
  });
});

test('wrong links', async () => {
  expect(await refused(nodes({ 1: ['EmptyImage', picture], 2: ['PreviewImage', { images: ['1', 0, 5] }] }))).toEqual({
    error: failedError('Bad linked input, must be a length-2 list of [node_id, slot_index]: images'),
    node_errors: {
      2: {
        errors: [{ type: 'bad_linked_input', message: 'Bad linked input, must be a length-2 list of [node_id, slot_index]', details: 'images', extra_info: { input_name: 'images', input_config: ['IMAGE', {}], received_value: ['1', 0, 5] } }],
        dependent_outputs: ['2'], class_type: 'PreviewImage',
      },
    },
  });
  expect(await refused(nodes({ 1: ['Numbers', { count: 3 }], 2: ['PreviewImage', { images: ['1', 0] }] }))).toEqual({
    error: failedError('Return type mismatch between linked nodes: images, received_type(INT) mismatch input_type(IMAGE)'),
    node_errors: {
      2: {
        errors: [{
          type: 'return_type_mismatch', message: 'Return type mismatch between linked nodes', details: 'images, received_type(INT) mismatch input_type(IMAGE)',
          extra_info: { input_name: 'images', input_config: ['IMAGE', {}], received_type: 'INT', linked_node: ['1', 0] },
        }],
        dependent_outputs: ['2'], class_type: 'PreviewImage',
      },
    },
  });
});

test('a link to a missing node drops its output, the others run; inside a chain it is told of the node', async () => {
  const server = await serve();
  const { status, body } = await server.prompt(nodes({ 1: ['EmptyImage', picture], 2: ['PreviewImage', { images: ['1', 0] }], 3: ['PreviewImage', { images: ['99', 0] }] }));
  expect(status).toBe(200);
  expect(body.node_errors).toEqual({
    3: { errors: [{ type: 'exception_during_validation', message: 'Exception when validating node', details: '\'99\'', extra_info: { exception_type: 'KeyError', traceback: expect.any(Array) } }], dependent_outputs: ['3'], class_type: 'PreviewImage' },
  });
  const inner = await refused(nodes({ 1: ['ImageInvert', { image: ['99', 0] }], 2: ['PreviewImage', { images: ['1', 0] }] }));
  expect(inner.error).toEqual(failedError());
  expect(inner.node_errors[1].errors).toMatchObject([{ type: 'exception_during_inner_validation', message: 'Exception when validating inner node', details: '\'99\'', extra_info: { input_name: 'images', input_config: ['IMAGE', {}], linked_node: ['1', 0], exception_type: 'KeyError' } }]);
});

test('a node\'s own check is told for every input it was given', async () => {
  const { node_errors: errors } = await refused(nodes({ 1: ['Refuse', { a: 0.5, b: 7 }], 2: ['PreviewImage', { images: ['1', 0] }] }));
  expect(errors[1].errors).toEqual(['a', 'b'].map((name) => ({ type: 'custom_validation_failed', message: 'Custom validation failed for node', details: `${name} - no sevens`, extra_info: { input_name: name } })));
});

test('bodies that are no prompt are refused by name, whatever their content type', async () => {
  const server = await serve();
  for (const [body, details] of [['{"prompt":', 'line 1, column 11'], ['[]', 'a list'], ['{"prompt": 5}', 'the number 5'], ['', 'empty'], ['{"prompt":{"1":{"class_type":5}}}', 'class_type']]) {
    const response = await server.post('/prompt', body);
    expect(response.status).toBe(400);
    const answer = await response.json() as Answer;
    expect(answer).toMatchObject({ error: { type: 'invalid_prompt', details: expect.stringContaining(details!) }, node_errors: {} });
  }
});

test('numbers stay as they were written, keys in their order; secrets are not kept', async () => {
  const server = await serve();
  const text = '{"prompt":{"9":{"inputs":{"value":18446744073709551615},"class_type":"Pass","_meta":{"title":"x"}},"b":{"class_type":"PreviewAny","inputs":{"source":["9",0]}},"1":{"class_type":"PreviewAny","inputs":{"source":5.0}}},'
    + '"client_id":"c","extra_data":{"api_key_comfy_org":"secret","extra_pnginfo":{"workflow":{"seed":5.0}}}}';
  const client = await server.connect('c');
  const { prompt_id: id } = await (await server.post('/prompt', text)).json() as Answer;
  await client.end(id);
  const entry = await (await server.get(`/history/${id}`)).text();
  expect(entry).toContain('{"9":{"inputs":{"value":18446744073709551615},"class_type":"Pass","_meta":{"title":"x"}},"b":{"class_type":"PreviewAny","inputs":{"source":["9",0]}},"1":{"class_type":"PreviewAny","inputs":{"source":5.0}}}');
  expect(entry).toContain('{"extra_pnginfo":{"workflow":{"seed":5.0}},"client_id":"c"}');
  expect(entry).not.toContain('secret');
  expect(entry).toContain('"18446744073709551615"');
});

test('the UI form is converted, and kept as the workflow', async () => {
  const server = await serve();
  const workflow = {
    version: 0.4, last_node_id: 2, last_link_id: 1, groups: [], config: {}, extra: {},
    nodes: [
      { id: 1, type: 'PrimitiveInt', mode: 0, order: 0, inputs: [], outputs: [{ name: 'INT', type: 'INT', links: [1] }], properties: {}, widgets_values: [42, 'fixed'] },
      { id: 2, type: 'PreviewAny', mode: 0, order: 1, inputs: [{ name: 'source', type: '*', link: 1 }], outputs: [], properties: {}, widgets_values: [] },
    ],
    links: [[1, 1, 0, 2, 0, 'INT']],
  };
  const client = await server.connect('c');
  for (const body of [{ prompt: workflow, client_id: 'c' }, workflow]) {
    const response = await server.post('/prompt', body);
    expect(response.status).toBe(200);
    const { prompt_id: id } = await response.json() as Answer;
    if (body !== workflow) await client.end(id);
    else await client.until(({ type, data }) => type === 'status' && data.status.exec_info.queue_remaining === 0);
    const entry = (await server.json(`/history/${id}`) as Answer)[id];
    expect(entry.outputs).toEqual({ 2: { text: ['42'] } });
    expect(entry.prompt[2][1]).toMatchObject({ class_type: 'PrimitiveInt', inputs: { value: 42 } });
    expect(entry.prompt[3].extra_pnginfo.workflow).toEqual(workflow);
  }
});
