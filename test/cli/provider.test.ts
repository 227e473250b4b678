// bagelgraph provider cuda, with small packages of the real forms and an index on this machine.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { placeProvider } from '../../engine/cli/provider.ts';
import { packageRoot } from '../../engine/cli/folders.ts';

const room = mkdtempSync(path.join(tmpdir(), 'bagelgraph-test-'));
afterAll(() => rmSync(room, { recursive: true }));
const version = (JSON.parse(readFileSync(path.join(packageRoot, 'node_modules/onnxruntime-node/package.json'), 'utf8')) as { version: string }).version;
const cuda = Buffer.from(`\x7fELF the provider ${'x'.repeat(5000)}`, 'latin1');
const bridge = Buffer.from('\x7fELF the bridge', 'latin1');

/** A ZIP of deflated members. */
function zip(members: Readonly<Record<string, Buffer>>): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(members)) {
    const packed = deflateRawSync(content);
    const form = Buffer.alloc(26);
    form.writeUInt16LE(20, 0);
    form.writeUInt16LE(8, 4);
    form.writeUInt32LE(crc32(content), 10);
    form.writeUInt32LE(packed.length, 14);
    form.writeUInt32LE(content.length, 18);
    form.writeUInt16LE(name.length, 22);
    const offset = Buffer.alloc(4);
    offset.writeUInt32LE(at);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), form, Buffer.from(name), packed]);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\0', 'latin1'), form, Buffer.alloc(10), offset, Buffer.from(name)]));
    locals.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(central.length, 8);
  end.writeUInt16LE(central.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}

const hashOf = (bytes: Buffer, encoding: 'hex' | 'base64url'): string => createHash('sha256').update(bytes).digest(encoding);

function wheel(project: string, of: string, libraries: Readonly<Record<string, Buffer>>, recorded = libraries): Buffer {
  const about = `${project}-${of}.dist-info`;
  const record = Object.entries(recorded).map(([name, content]) => `${name},sha256=${hashOf(content, 'base64url')},${content.length}\n`).join('');
  return zip({ ...libraries, [`${about}/METADATA`]: Buffer.from(`Metadata-Version: 2.4\nName: ${project}\nVersion: ${of}\n`), [`${about}/RECORD`]: Buffer.from(record) });
}
const libraries = {
  'onnxruntime/capi/libonnxruntime_providers_cuda.so': cuda, 'onnxruntime/capi/libonnxruntime_providers_shared.so': bridge,
  'onnxruntime/capi/libonnxruntime_providers_tensorrt.so': Buffer.from('\x7fELF'),
};

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('provider cuda', () => {
  let folders: { runtime: string; nvidia: string };
  let said: string;
  beforeEach(() => {
    const runtime = mkdtempSync(path.join(room, 'runtime-'));
    folders = { runtime, nvidia: path.join(runtime, 'nvidia') };
    said = '';
  });
  const place = (options: Readonly<Record<string, string | boolean>>) => placeProvider(
    { options, positionals: ['cuda'] }, { stderr: { write: (text: string) => { said += text; }, isTTY: false, columns: 80 }, signal: new AbortController().signal }, folders);
  const file = (name: string, bytes: Buffer): string => {
    const at = path.join(room, name);
    writeFileSync(at, bytes);
    return at;
  };

  it('takes the libraries from a wheel, and says its hash', async () => {
    const bytes = wheel('onnxruntime_gpu', version, libraries);
    const placed = await place({ from: file('good.whl', bytes) });
    expect(placed).toMatchObject([{ version, folder: folders.runtime, files: ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'], isHashed: true }]);
    expect(readFileSync(path.join(folders.runtime, 'libonnxruntime_providers_cuda.so'))).toEqual(cuda);
    expect(readdirSync(folders.runtime)).toHaveLength(2);
    expect(said).toContain(`SHA-256 of ${path.join(room, 'good.whl')}: ${hashOf(bytes, 'hex')}`);
  });

  it('takes them from a NuGet package and from a release archive', async () => {
    const nuget = zip({
      'Microsoft.ML.OnnxRuntime.Gpu.Linux.nuspec': Buffer.from(`<?xml version="1.0"?><package><metadata><version>${version}</version></metadata></package>`),
      'runtimes/linux-x64/native/libonnxruntime_providers_cuda.so': cuda, 'runtimes/linux-x64/native/libonnxruntime_providers_shared.so': bridge,
    });
    expect(await place({ from: file('good.nupkg', nuget), sha256: hashOf(nuget, 'hex') })).toMatchObject([{ version, isHashed: false }]);
    expect(said).toBe('');
    rmSync(path.join(folders.runtime, 'libonnxruntime_providers_cuda.so'));
    const top = `onnxruntime-linux-x64-gpu-${version}`;
    mkdirSync(path.join(room, top, 'lib'), { recursive: true });
    writeFileSync(path.join(room, top, 'lib/libonnxruntime_providers_cuda.so'), cuda);
    writeFileSync(path.join(room, top, 'lib/libonnxruntime_providers_shared.so'), bridge);
    execFileSync('tar', ['-czf', path.join(room, 'good.tgz'), '-C', room, top]);
    expect(await place({ from: path.join(room, 'good.tgz') })).toMatchObject([{ version }]);
    expect(readFileSync(path.join(folders.runtime, 'libonnxruntime_providers_cuda.so'))).toEqual(cuda);
    expect(readdirSync(folders.runtime).sort()).toEqual(['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so']);
  });

  it('refuses what does not fit or is damaged, and leaves nothing', async () => {
    const bytes = wheel('onnxruntime_gpu', version, libraries);
    await expect(place({ from: file('old.whl', wheel('onnxruntime_gpu', '1.2.3', libraries)) })).rejects.toThrow(`is of version 1.2.3, but ONNX Runtime here is ${version}`);
    await expect(place({ from: file('changed.whl', wheel('onnxruntime_gpu', version, libraries, { ...libraries, 'onnxruntime/capi/libonnxruntime_providers_cuda.so': bridge })) })).rejects.toThrow(/changed\.whl is damaged: .*providers_cuda\.so has SHA-256/);
    await expect(place({ from: file('cut.whl', bytes.subarray(0, bytes.length - 40)) })).rejects.toThrow(/cut\.whl is damaged/);
    await expect(place({ from: file('other.whl', wheel('numpy', version, { 'numpy/a.so': bridge })) })).rejects.toThrow('holds none of the libraries');
    await expect(place({ from: file('text.whl', Buffer.from('hello')) })).rejects.toThrow('is neither a ZIP');
    await expect(place({ from: path.join(room, 'none.whl') })).rejects.toThrow(/none\.whl cannot be read: ENOENT/);
    await expect(place({ from: file('good.whl', bytes), sha256: '00' })).rejects.toThrow('nothing was taken from it');
    expect(readdirSync(folders.runtime)).toEqual([]);
  });

  describe('from an index', () => {
    let server: Server;
    let index: string;
    const files = new Map<string, Buffer>();
    beforeAll(async () => {
      server = createServer((request, response) => {
        const found = files.get(request.url!);
        response.statusCode = found === undefined ? 404 : 200;
        response.end(found ?? '');
      });
      await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
      index = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      return () => server.close();
    });
    const offer = (project: string, of: Readonly<Record<string, Buffer>>, change: Record<string, unknown> = {}): void => {
      const releases = Object.fromEntries(Object.entries(of).map(([one, bytes]) => {
        const filename = `${project.replaceAll('-', '_')}-${one}-cp311-cp311-manylinux_2_28_x86_64.whl`;
        files.set(`/files/${filename}`, bytes);
        return [one, [{ filename, url: `${index}/files/${filename}`, size: bytes.length, packagetype: 'bdist_wheel', yanked: false, digests: { sha256: hashOf(bytes, 'hex') }, ...change }]];
      }));
      files.set(`/pypi/${project}/json`, Buffer.from(JSON.stringify({ releases })));
    };

    it('takes the version that fits, and of NVIDIA\'s the newest of the right series', async () => {
      offer('onnxruntime-gpu', { '9.9.9': Buffer.from('newer'), [version]: wheel('onnxruntime_gpu', version, libraries) });
      for (const [project, of] of [['nvidia-cuda-runtime', '13.0.96'], ['nvidia-cublas', '13.10.2'], ['nvidia-curand', '10.4.0'], ['nvidia-cufft', '12.0.0'], ['nvidia-nvjitlink', '13.0.1'], ['nvidia-cuda-nvrtc', '13.0.1'], ['nvidia-cudnn-cu13', '9.14.0']] as const) {
        offer(project, { '1.0': Buffer.from('old'), ...(project === 'nvidia-cublas' ? { '13.9.1': Buffer.from('older, though 9 is more than 1') } : {}), '99.0': Buffer.from('newer'), [of]: wheel(project, of, { [`nvidia/cu13/lib/lib${project}.so.${of.split('.')[0]}`]: bridge }) });
      }
      const placed = await place({ index, libraries: true });
      expect(placed).toHaveLength(8);
      expect(readdirSync(folders.nvidia).sort()).toEqual(['libnvidia-cublas.so.13', 'libnvidia-cuda-nvrtc.so.13', 'libnvidia-cuda-runtime.so.13', 'libnvidia-cudnn-cu13.so.9', 'libnvidia-cufft.so.12', 'libnvidia-curand.so.10', 'libnvidia-nvjitlink.so.13']);
      expect(said).toContain('100 %');
    });

    it('asks for a place where none is given', async () => {
      await expect(place({})).rejects.toThrow('a package file with --from FILE, or a Python package index with --index URL or PIP_INDEX_URL');
      await expect(place({ index: 'nowhere' })).rejects.toThrow('"nowhere" is no http address');
    });

    it('keeps nothing of a download with another hash, and says what the index lacks', async () => {
      offer('onnxruntime-gpu', { [version]: wheel('onnxruntime_gpu', version, libraries) }, { digests: { sha256: 'abc' } });
      await expect(place({ index })).rejects.toThrow(/came with SHA-256 [0-9a-f]{64}, the index says abc: nothing was kept/);
      offer('onnxruntime-gpu', { '1.2.3': Buffer.from('old') });
      await expect(place({ index })).rejects.toThrow(`has no wheel of onnxruntime-gpu ${version} for Linux on x64; newest versions: 1.2.3`);
      files.delete('/pypi/onnxruntime-gpu/json');
      await expect(place({ index })).rejects.toThrow('answers 404 Not Found');
      expect(existsSync(folders.nvidia)).toBe(false);
      expect(readdirSync(folders.runtime)).toEqual([]);
    });

    it('says what to do offline', async () => {
      await expect(place({ index: 'http://127.0.0.1:1' })).rejects.toThrow(/cannot be reached \(.*\)\. Offline\? Fetch the package elsewhere and give it with --from FILE/);
    });
  });
});
