# The language model of BAGEL in plain PyTorch, for the benchmark alone: reads the benchmark's own checkpoint and answers one JSON line for each
# line asked ("pass": a denoise pass, "token": one decoded token). Written from the published description of the model; needs torch and numpy.
import json
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F


def read_safetensors(file):
    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    raw = np.memmap(file, dtype=np.uint8, mode="c", offset=8 + length)
    tensors = {}
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise SystemExit(f"{file}: {key} is {entry['dtype']}, this script reads F32")
        begin, end = entry["data_offsets"]
        tensors[key] = torch.from_numpy(np.array(raw[begin:end]).view(np.float32)).reshape(entry["shape"])
    return tensors


class Mot:
    """Both experts of every layer; keys and values of `past` rows are zeros, as in the benchmark's blank context."""

    def __init__(self, folder):
        self.weights = read_safetensors(f"{folder}/ema.safetensors")
        with open(f"{folder}/llm_config.json") as stream:
            config = json.load(stream)
        self.hidden, self.layers = config["hidden_size"], config["num_hidden_layers"]
        self.heads, self.kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        self.head_dim, self.eps = self.hidden // self.heads, config["rms_norm_eps"]
        steps = torch.arange(0, self.head_dim, 2, dtype=torch.float32) / self.head_dim
        self.frequencies = 1.0 / (config["rope_theta"] ** steps)
        self.caches = {}

    def cache(self, past, rows):
        """Keys and values with room for new rows behind `past`: [layers, 2, kv heads, past + rows, head dim]."""
        if (past, rows) not in self.caches:
            self.caches[(past, rows)] = torch.zeros(self.layers, 2, self.kv_heads, past + rows, self.head_dim)
        return self.caches[(past, rows)]

    def norm(self, x, key):
        return F.rms_norm(x, (x.shape[-1],), self.weights[f"{key}.weight"], self.eps)

    def linear(self, x, key):
        return F.linear(x, self.weights[f"{key}.weight"], self.weights.get(f"{key}.bias"))

    def rotate(self, x, positions):
        angles = positions[:, None].float() * self.frequencies  # [rows, head dim / 2]
        cos, sin = torch.cos(angles)[:, None], torch.sin(angles)[:, None]
        left, right = x.chunk(2, dim=-1)
        return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)

    def attention(self, name, experts, rows, cache, past, positions):
        def project(kind, count, has_norm):
            parts = []
            for expert, x in zip(experts, rows):
                part = self.linear(x, f"{name}.{kind}_proj{expert}").view(x.shape[0], count, self.head_dim)
                parts.append(self.norm(part, f"{name}.{kind}_norm{expert}") if has_norm else part)
            return parts[0] if len(parts) == 1 else torch.cat(parts)  # [rows, count, head dim]

        q = self.rotate(project("q", self.heads, True), positions).transpose(0, 1)
        cache[0, :, past:] = self.rotate(project("k", self.kv_heads, True), positions).transpose(0, 1)
        cache[1, :, past:] = project("v", self.kv_heads, False).transpose(0, 1)
        # each key head is written out for its queries: the quickest of torch's own ways here (measured against enable_gqa)
        k, v = (one.repeat_interleave(self.heads // self.kv_heads, dim=0) for one in cache)
        mixed = F.scaled_dot_product_attention(q[None], k[None], v[None])[0].transpose(0, 1).reshape(-1, self.heads * self.head_dim)
        split = mixed.split([x.shape[0] for x in rows])
        return [self.linear(x, f"{name}.o_proj{expert}") for expert, x in zip(experts, split)]

    def run(self, experts, rows, past, positions):
        cache = self.cache(past, sum(x.shape[0] for x in rows))
        for i in range(self.layers):
            name = f"language_model.model.layers.{i}"
            normal = [self.norm(x, f"{name}.input_layernorm{expert}") for expert, x in zip(experts, rows)]
            mixed = self.attention(f"{name}.self_attn", experts, normal, cache[i], past, positions)
            rows = [x + y for x, y in zip(rows, mixed)]
            for j, expert in enumerate(experts):
                x, mlp = self.norm(rows[j], f"{name}.post_attention_layernorm{expert}"), f"{name}.mlp{expert}"
                inner = F.silu(self.linear(x, f"{mlp}.gate_proj")) * self.linear(x, f"{mlp}.up_proj")
                rows[j] = rows[j] + self.linear(inner, f"{mlp}.down_proj")
        return rows

    def denoise(self, latents, past, markers):
        """Two image markers and `latents` rows over `past` ones: velocity [latents, packed]."""
        und = F.embedding(torch.tensor(markers), self.weights["language_model.model.embed_tokens.weight"])
        gen = torch.sin(torch.arange(latents * self.hidden, dtype=torch.float64)).float().view(latents, self.hidden)
        positions = torch.full((latents + 2,), past)
        _, gen = self.run(["", "_moe_gen"], [und, gen], past, positions)
        return self.linear(self.norm(gen, "language_model.model.norm_moe_gen"), "llm2vae")

    def token(self, token, past):
        """The most likely token after `token` over `past` rows."""
        und = F.embedding(torch.tensor([token]), self.weights["language_model.model.embed_tokens.weight"])
        (und,) = self.run([""], [und], past, torch.tensor([past]))
        head = self.weights.get("language_model.lm_head.weight", self.weights["language_model.model.embed_tokens.weight"])
        return int(F.linear(self.norm(und, "language_model.model.norm"), head).argmax())


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    with torch.inference_mode():
        model = Mot(folder)
        print(json.dumps({"torch": torch.__version__}), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            start = time.perf_counter()
            if asked["do"] == "pass":
                values = model.denoise(asked["latents"], asked["past"], asked["markers"])
                answer = {"ms": (time.perf_counter() - start) * 1000}
                if asked.get("values"):
                    answer["values"] = values.flatten().tolist()
            else:
                token = asked["token"]
                for _ in range(asked["count"]):
                    token = model.token(token, asked["past"])
                answer = {"ms": (time.perf_counter() - start) * 1000 / asked["count"], "token": token}
            print(json.dumps(answer), flush=True)


main()
