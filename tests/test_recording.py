"""What is said of the losses of a running script: each at the line that has to change, and nothing of correct ones."""

from __future__ import annotations

import os
import runpy
import textwrap
from pathlib import Path

import pytest

from shapecheck.report import CheckResult
from shapecheck.rules import Rule, model_rules
from shapecheck.script.recording import Recording

OF_SCRIPTS = (
    "frozen",
    "loss-cut",
    "paired-wrongly",
    "not-differentiable",
)  # told of what a script does, which no model shows

START = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
"""


def run(folder: Path, text: str) -> list[CheckResult]:
    """The checks of a script of these lines; exceptions of the script's own loss calls end it."""
    path = folder / "train.py"
    path.write_text(START + textwrap.dedent(text))
    recording = Recording()
    before = os.getcwd()
    os.chdir(folder)
    try:
        with recording:
            try:
                runpy.run_path("train.py", run_name="__main__")
            except Exception as error:
                if error is not recording.last_error and "does not require grad" not in str(error):
                    raise
            return list(recording.results(True))
    finally:
        os.chdir(before)


def line_of(text: str) -> int:
    """Of the line with the mark."""
    lines = (START + textwrap.dedent(text)).splitlines()
    return next(number for number, line in enumerate(lines, 1) if "# here" in line)


# A code, the kind of the first fix and how far it was run; the line is the one with the mark.
WRONG: dict[str, tuple[str, str, str, str]] = {
    "classes last, as many as steps": ("SC401", "permute", "executed", """
        model = nn.Linear(5, 7)
        x, y = torch.randn(4, 7, 5), torch.randint(7, (4, 7))
        loss = F.cross_entropy(model(x), y)  # here
    """),
    "rows that mix, in the script": ("SC451", "permute-not-view", "executed", """
        model = nn.Conv2d(3, 6, 1)
        x, y = torch.randn(4, 3, 9, 13), torch.randint(6, (4, 9, 13))
        out = model(x)
        out = out.view(-1, 6)  # here
        loss = F.cross_entropy(out, y.view(-1))
    """),
    "softmax in the script": ("SC402", "drop-softmax", "executed", """
        model = nn.Linear(5, 7)
        x, y = torch.randn(4, 5), torch.randint(7, (4,))
        p = F.softmax(model(x), dim=1)  # here
        loss = nn.CrossEntropyLoss()(p, y)
    """),
    "softmax before a loss that wants logarithms": ("SC422", "apply-log-softmax", "executed", """
        model, teacher = nn.Linear(5, 7), nn.Linear(5, 7)
        x = torch.randn(4, 5)
        q = F.softmax(teacher(x).detach(), dim=1)
        p = F.softmax(model(x) / 2, dim=1)  # here
        loss = F.kl_div(p, q, reduction="batchmean")
    """),
    "softmax over the steps": ("SC462", "fix-dim", "executed", """
        model = nn.GRU(5, 7, batch_first=True)
        x, y = torch.randn(4, 9, 5), torch.randint(7, (4, 9))
        p = F.log_softmax(model(x)[0], dim=1)  # here
        loss = F.nll_loss(p.transpose(1, 2), y)
    """),
    "detach left in": ("SC460", "change-model", "executed", """
        model = nn.Linear(5, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        pred = model(torch.randn(4, 5)).detach()  # here
        loss = F.mse_loss(pred, torch.randn(4, 1))
        loss.requires_grad_()
        loss.backward()
    """),
    "no_grad left in": ("SC460", "change-model", "no", """
        model = nn.Linear(5, 1)
        with torch.no_grad():
            pred = model(torch.randn(4, 5))  # here
        loss = F.mse_loss(pred, torch.randn(4, 1))
        loss.backward()
    """),
    "through numpy": ("SC460", "change-model", "no", """
        model = nn.Linear(5, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        pred = torch.tensor([model(torch.randn(5)).item() for _ in range(4)], requires_grad=True)  # here
        loss = F.mse_loss(pred, torch.randn(4))
        loss.backward()
    """),
    "similarity over the samples": ("SC453", "fix-dim", "executed", """
        model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6))
        a, b, y = torch.randn(6, 5), torch.randn(6, 5), torch.ones(6)
        sim = F.cosine_similarity(model(a), model(b), dim=0)  # here
        loss = F.mse_loss(sim, y)
    """),
    "squeeze of the last batch, where the loss then stops": ("SC455", "squeeze-output", "executed", """
        net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1))
        for x, y in DataLoader(TensorDataset(torch.randn(9, 3, 8, 8), torch.randint(5, (9,))), batch_size=4):
            loss = F.cross_entropy(net(x).squeeze(), y)  # here
            break
    """),
    "squeeze of the last batch": ("SC455", "squeeze-output", "executed", """
        model = nn.Linear(5, 1)
        for x, y in DataLoader(TensorDataset(torch.randn(9, 5), torch.randn(9)), batch_size=4):
            pred = model(x).squeeze()  # here
            loss = F.mse_loss(pred, y)
            break
    """),
    "a loss inside the model": ("SC101", "permute", "executed", """
        class Tagger(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn, self.head = nn.GRU(5, 8, batch_first=True), nn.Linear(8, 6)

            def forward(self, x, y):
                scores = self.head(self.rnn(x)[0])
                return F.cross_entropy(scores, y)  # here

        Tagger()(torch.randn(4, 9, 5), torch.randint(6, (4, 9)))
    """),
    "log_softmax, but classes last": ("SC401", "permute", "executed", """
        model = nn.Linear(5, 7)
        x, y = torch.randn(4, 7, 5), torch.randint(7, (4, 7))
        loss = F.nll_loss(F.log_softmax(model(x), dim=-1), y)  # here
    """),
    "a view between two modules": ("SC451", "permute-not-view", "executed", """
        conv, rnn = nn.Conv1d(3, 6, 1), nn.GRU(6, 4, batch_first=True)
        features = conv(torch.randn(5, 3, 11))
        steps = features.view(5, 11, 6)  # here
        loss = F.cross_entropy(rnn(steps)[0][:, -1], torch.randint(4, (5,)))
    """),
    "a batch put into another order by its sizes alone": ("SC451", "permute-not-view", "executed", """
        model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        for x, y in DataLoader(TensorDataset(torch.randn(10, 9, 9, 3), torch.randint(6, (10,))), batch_size=5):
            x = x.view(5, 3, 9, 9)  # here
            loss = F.cross_entropy(model(x), y)
            break
    """),
    "a label without a class, late": ("SC301", "fix-num-classes", "no", """
        model = nn.Linear(5, 3)
        for step in range(7):
            y = torch.randint(3, (8,)) if step < 6 else torch.tensor([0, 1, 2, 3, 0, 1, 2, 0])
            loss = F.cross_entropy(model(torch.randn(8, 5)), y)  # here
    """),
    "rows of labels in another order": ("SC465", "transpose-target", "executed", """
        rnn, head = nn.GRU(5, 8), nn.Linear(8, 7)
        x, tags = torch.randn(8, 12, 5), torch.randint(7, (8, 12))
        scores = head(rnn(x.transpose(0, 1))[0])
        loss = F.cross_entropy(scores.view(-1, 7), tags.view(-1))  # here
    """),
    "rows of labels in another order, as many steps as samples": ("SC465", "transpose-target", "executed", """
        rnn = nn.GRU(5, 7)
        for x, tags in DataLoader(TensorDataset(torch.randn(40, 8, 5), torch.randint(7, (40, 8))), batch_size=8):
            scores = rnn(x.transpose(0, 1))[0]
            loss = F.cross_entropy(scores.flatten(0, 1), tags.flatten())  # here
            break
    """),
    "time first in the model, and as many steps as samples": ("SC465", "transpose-target", "executed", """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn, self.out = nn.GRU(5, 8), nn.Linear(8, 1)
            def forward(self, x):
                return self.out(self.rnn(x.transpose(0, 1))[0]).squeeze(-1)
        net, data = Net(), torch.randn(8, 8, 6)
        loss = F.mse_loss(net(data[..., :5]), data[..., 5])  # here
    """),
    "labels in another order, then a mask": ("SC465", "transpose-target", "executed", """
        rnn, head = nn.GRU(5, 8), nn.Linear(8, 7)
        x, tags = torch.randn(8, 12, 5), torch.randint(7, (8, 12))
        scores = head(rnn(x.transpose(0, 1))[0]).reshape(-1, 7)
        tags = tags.reshape(-1)  # here
        keep = tags != 0
        loss = F.cross_entropy(scores[keep], tags[keep])
    """),
    "scores put in step by step, and labels in another order": ("SC465", "transpose-target", "executed", """
        cell, head = nn.GRUCell(5, 8), nn.Linear(8, 6)
        x, y = torch.randn(4, 7, 5), torch.randint(6, (4, 7))
        h, outs = torch.zeros(4, 8), torch.zeros(7, 4, 6)
        for t in range(7):
            h = cell(x[:, t], h)
            outs[t] = head(h)
        loss = F.cross_entropy(outs.view(-1, 6), y.view(-1))  # here
    """),
    "a model called with parameters of its own, classes last": ("SC401", "permute", "executed", """
        model = nn.Linear(5, 7)
        out = torch.func.functional_call(model, dict(model.named_parameters()), (torch.randn(4, 7, 5),))
        loss = F.cross_entropy(out, torch.randint(7, (4, 7)))  # here
    """),
    "steps stacked, classes last": ("SC401", "permute", "executed", """
        cell, head = nn.GRUCell(5, 8), nn.Linear(8, 7)
        x, y = torch.randn(4, 7, 5), torch.randint(7, (4, 7))
        h, outs = torch.zeros(4, 8), []
        for t in range(7):
            h = cell(x[:, t], h)
            outs.append(head(h))
        loss = F.cross_entropy(torch.stack(outs, 1), y)  # here
    """),
    "enlarged, classes last": ("SC401", "permute", "executed", """
        net = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        out = F.interpolate(net(torch.randn(4, 3, 8, 8)), size=(8, 8))
        loss = F.cross_entropy(out.permute(0, 2, 3, 1), torch.randint(8, (4, 8, 8)))  # here
    """),
    "masked by another tensor, classes last": ("SC401", "permute", "executed", """
        net, m = nn.Linear(5, 7), torch.ones(4, 7)
        out = m.unsqueeze(-1) * net(torch.randn(4, 7, 5))
        loss = F.cross_entropy(out, torch.randint(7, (4, 7)))  # here
    """),
    "a list on the way": ("SC460", "change-model", "no", """
        model = nn.Linear(5, 3)
        out = model(torch.randn(4, 5))
        out = torch.tensor(out.tolist())  # here
        F.cross_entropy(out, torch.randint(3, (4,))).backward()
    """),
    "an array of what is detached": ("SC460", "change-model", "no", """
        model = nn.Linear(5, 3)
        out = model(torch.randn(4, 5)).detach().numpy()  # here
        F.cross_entropy(torch.from_numpy(out), torch.randint(3, (4,))).backward()
    """),
    "data left in": ("SC460", "change-model", "executed", """
        model = nn.Linear(5, 3)
        out = model(torch.randn(4, 5)).data  # here
        F.cross_entropy(out, torch.randint(3, (4,))).backward()
    """),
    "a weight that is trained": ("SC466", "fix-weight", "no", """
        model, weight = nn.Linear(5, 3), nn.Parameter(torch.ones(3))
        loss = F.cross_entropy(model(torch.randn(4, 5)), torch.randint(3, (4,)), weight=weight)  # here
    """),
    "all frozen": ("SC463", "change-model", "no", """
        model = nn.Sequential(nn.Linear(5, 3))
        for p in model.parameters():
            p.requires_grad = False  # here
        F.cross_entropy(model(torch.randn(4, 5)), torch.randint(3, (4,))).backward()
    """),
    "the number of a loss": ("SC464", "change-loss", "no", """
        model = nn.Linear(5, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        loss = F.cross_entropy(model(torch.randn(4, 5)), torch.randint(3, (4,)))
        loss = torch.tensor(loss.item(), requires_grad=True)  # here
        loss.backward()
    """),
    "a loss cut off": ("SC464", "change-loss", "no", """
        model = nn.Linear(5, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        loss = F.cross_entropy(model(torch.randn(4, 5)), torch.randint(3, (4,)))
        loss = loss.detach().requires_grad_()  # here
        loss.backward()
    """),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_at_its_line(case: str, tmp_path: Path) -> None:
    code, kind, verified, text = WRONG[case]
    found = [
        (finding, finding.location or result.location)
        for result in run(tmp_path, text)
        for finding in result.findings
        if finding.severity != "note"
    ]
    assert [finding.code for finding, _ in found] == [code]
    finding, place = found[0]
    assert place is not None
    assert (place.path, place.line) == ("train.py", line_of(text))
    assert (finding.fixes[0].kind, finding.fixes[0].verified) == (kind, verified)


RIGHT = {
    "permuted before rows": """
        model = nn.Conv2d(3, 6, 1)
        x, y = torch.randn(4, 3, 6, 6), torch.randint(6, (4, 6, 6))
        loss = F.cross_entropy(model(x).permute(0, 2, 3, 1).reshape(-1, 6), y.view(-1))
        loss.backward()
    """,
    "contrastive": """
        image, words = nn.Linear(5, 8), nn.Linear(7, 8)
        a, b = F.normalize(image(torch.randn(6, 5)), dim=-1), F.normalize(words(torch.randn(6, 7)), dim=-1)
        loss = F.cross_entropy(a @ b.T / 0.07, torch.arange(6))
        loss.backward()
    """,
    "softmax, but its logarithm": """
        model = nn.Linear(5, 7)
        loss = F.nll_loss(torch.log(F.softmax(model(torch.randn(4, 5)), dim=1)), torch.randint(7, (4,)))
    """,
    "attention over time": """
        score, head = nn.Linear(5, 1), nn.Linear(5, 3)
        x = torch.randn(4, 7, 5)
        weights = F.softmax(score(x), dim=1)
        loss = F.cross_entropy(head((weights * x).sum(1)), torch.randint(3, (4,)))
        loss.backward()
    """,
    "a teacher without gradient": """
        teacher, student = nn.Linear(5, 7).eval(), nn.Linear(5, 7)
        optimizer = torch.optim.SGD(student.parameters(), 0.1)
        x = torch.randn(4, 5)
        soft = F.softmax(teacher(x).detach(), dim=1)
        loss = F.cross_entropy(student(x), soft)
        loss.backward()
    """,
    "a loss to look at": """
        model = nn.Linear(5, 7)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x, y = torch.randn(4, 5), torch.randint(7, (4,))
        with torch.no_grad():
            before = F.cross_entropy(model(x), y)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    """,
    "an attack on the input": """
        model = nn.Linear(5, 7).requires_grad_(False)
        x = torch.randn(4, 5, requires_grad=True)
        F.cross_entropy(model(x), torch.randint(7, (4,))).backward()
    """,
    "squeeze on both sides": """
        model = nn.Linear(5, 1)
        for x, y in DataLoader(TensorDataset(torch.randn(9, 5), torch.randn(9, 1)), batch_size=4):
            F.mse_loss(model(x).squeeze(), y.squeeze()).backward()
            break
    """,
    "squeeze where no batch of one comes": """
        model = nn.Linear(5, 1)
        for x, y in DataLoader(TensorDataset(torch.randn(9, 5), torch.randn(9)), batch_size=4, drop_last=True):
            F.mse_loss(model(x).squeeze(), y).backward()
    """,
    "rows of both sides alike": """
        model = nn.Conv1d(3, 6, 1)
        x = torch.randn(4, 3, 11)
        F.mse_loss(model(x).view(-1, 6), torch.randn(4, 6, 11).view(-1, 6)).backward()
    """,
    "a model that computes its loss": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(5, 6)

            def forward(self, x, y=None):
                scores = self.head(x)
                return scores, None if y is None else F.cross_entropy(scores.view(-1, 6), y.view(-1))

        net = Net()
        net(torch.randn(4, 9, 5), torch.randint(6, (4, 9)))[1].backward()
    """,
    "two optimisers and a detached half": """
        make, judge = nn.Linear(3, 5), nn.Linear(5, 1)
        ones = torch.optim.SGD(make.parameters(), 0.1), torch.optim.SGD(judge.parameters(), 0.1)
        fake = make(torch.randn(4, 3))
        F.binary_cross_entropy_with_logits(judge(fake.detach()), torch.zeros(4, 1)).backward()
        F.binary_cross_entropy_with_logits(judge(fake), torch.ones(4, 1)).backward()
    """,
    "two modules and a reshape": """
        conv, head = nn.Conv1d(3, 6, 1), nn.Linear(6, 4)
        features = conv(torch.randn(5, 3, 11)).permute(0, 2, 1).reshape(-1, 6)
        F.cross_entropy(head(features).view(5, 11, 4).transpose(1, 2), torch.randint(4, (5, 11))).backward()
    """,
    "an actor and a critic, one state at a time": """
        critic = nn.Linear(4, 1)
        values = torch.cat([critic(torch.randn(4)) for _ in range(12)])
        F.smooth_l1_loss(values, torch.randn(12)).backward()
    """,
    "straight through a code book": """
        encoder, decoder, book = nn.Conv2d(3, 8, 4, 4), nn.ConvTranspose2d(8, 3, 4, 4), nn.Embedding(16, 8)
        x = torch.randn(5, 3, 16, 16)
        z = encoder(x)
        nearest = torch.cdist(z.permute(0, 2, 3, 1).reshape(-1, 8), book.weight).argmin(1)
        code = book(nearest).view(5, 4, 4, 8).permute(0, 3, 1, 2)
        commit = F.mse_loss(z, code.detach()) + F.mse_loss(code, z.detach())
        (F.mse_loss(decoder(z + (code - z).detach()), x) + commit).backward()
    """,
    "anchors cut from channels": """
        head = nn.Conv2d(4, 15, 3, padding=1)
        scores = head(torch.randn(2, 4, 6, 6)).view(2, 3, 5, 6, 6).permute(0, 3, 4, 1, 2).reshape(2, -1, 5)
        F.cross_entropy(scores.transpose(1, 2), torch.randint(5, (2, 108))).backward()
    """,
    "rows of both sides in one order": """
        rnn, head = nn.GRU(5, 8), nn.Linear(8, 7)
        x, tags = torch.randn(8, 12, 5), torch.randint(7, (8, 12))
        scores = head(rnn(x.transpose(0, 1))[0])
        F.cross_entropy(scores.view(-1, 7), tags.t().reshape(-1)).backward()
    """,
    "time first on both sides": """
        rnn, head = nn.GRU(5, 8), nn.Linear(8, 7)
        F.cross_entropy(head(rnn(torch.randn(8, 8, 5))[0]).view(-1, 7), torch.randint(7, (8, 8)).view(-1)).backward()
    """,
    "rows of both sides in one order, as many steps as samples": """
        rnn, head = nn.GRU(5, 8), nn.Linear(8, 7)
        for x, tags in DataLoader(TensorDataset(torch.randn(40, 8, 5), torch.randint(7, (40, 8))), batch_size=8):
            scores = head(rnn(x.transpose(0, 1))[0])
            F.cross_entropy(scores.flatten(0, 1), tags.t().flatten()).backward()
            F.cross_entropy(head(x.transpose(0, 1).repeat(1, 1, 2)[..., :8]).flatten(0, 1), tags.t().flatten()).backward()
            break
    """,
    "both sides cut from the same data": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn, self.out = nn.GRU(5, 8), nn.Linear(8, 1)
            def forward(self, x):
                return self.out(self.rnn(x.transpose(0, 1))[0]).squeeze(-1)
        net, data = Net(), torch.randn(8, 8, 6)
        F.mse_loss(net(data[..., :5]), data[..., 5].t()).backward()
    """,
    "data looked up by their labels": """
        model, patterns = nn.Conv1d(6, 5, 1), torch.randn(5, 6)
        labels = torch.randint(0, 5, (10, 3)).repeat_interleave(6, dim=1)
        out = model(patterns[labels].transpose(1, 2) + torch.randn(10, 6, 18))
        F.cross_entropy(out.transpose(1, 2).reshape(-1, 5), labels.view(-1)).backward()
    """,
    "scores of steps put in their places": """
        cell, head = nn.GRUCell(5, 8), nn.Linear(8, 6)
        x, y = torch.randn(4, 7, 5), torch.randint(6, (4, 7))
        h, outs = torch.zeros(4, 8), torch.zeros(7, 4, 6)
        for t in range(7):
            h = cell(x[:, t], h)
            outs[t] = head(h)
        F.cross_entropy(outs.transpose(0, 1).reshape(-1, 6), y.view(-1)).backward()
    """,
    "enlarged to the mask": """
        net = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        x, y = torch.randn(4, 3, 8, 8), torch.randint(8, (4, 8, 8))
        F.cross_entropy(F.interpolate(net(x), size=y.shape[-2:], mode="bilinear"), y).backward()
    """,
    "scores as products": """
        net, emb = nn.Linear(5, 8), nn.Embedding(9, 8)
        logits = torch.einsum("ntd,vd->nvt", net(torch.randn(4, 9, 5)), emb.weight)
        F.cross_entropy(logits, torch.randint(9, (4, 9))).backward()
    """,
    "chosen by a mask": """
        net, m = nn.Linear(5, 7), torch.rand(4, 7) > 0.3
        F.cross_entropy(net(torch.randn(4, 7, 5))[m], torch.randint(7, (4, 7))[m]).backward()
    """,
    "heads side by side": """
        body, one, other = nn.Linear(5, 8), nn.Linear(8, 3), nn.Linear(8, 4)
        z = body(torch.randn(6, 5))
        F.cross_entropy(torch.cat([one(z), other(z)], 1), torch.randint(7, (6,))).backward()
    """,
    "a frozen body": """
        body, head = nn.Linear(5, 3).requires_grad_(False), nn.Linear(3, 3)
        optimizer = torch.optim.SGD(head.parameters(), 0.1)
        with torch.no_grad():
            features = body(torch.randn(4, 5))
        F.cross_entropy(head(features), torch.randint(3, (4,))).backward()
    """,
    "gradients of gradients": """
        model, y = nn.Linear(5, 3), torch.randint(3, (4,))
        def loss(weights, x):
            return F.cross_entropy(torch.func.functional_call(model, weights, x), y)
        weights = dict(model.named_parameters())
        torch.func.grad(loss)({name: w.detach() for name, w in weights.items()}, torch.randn(4, 5))
        loss(weights, torch.randn(4, 5)).backward()
    """,
    "losses of parameters": """
        w = nn.Parameter(torch.randn(3))
        F.mse_loss(w, torch.zeros(3)).backward()
    """,
}


@pytest.mark.parametrize("case", RIGHT)
def test_correct_scripts_are_quiet(case: str, tmp_path: Path) -> None:
    results = run(tmp_path, RIGHT[case])
    assert results
    for result in results:
        assert result.error is None
        assert [finding.message for finding in result.findings if finding.severity != "note"] == []


def test_each_distinct_call_is_checked_once(tmp_path: Path) -> None:
    results = run(
        tmp_path,
        """
        model = nn.Linear(5, 3)
        for step in range(5):
            loss = F.cross_entropy(model(torch.randn(8, 5)), torch.randint(3, (8,)))
            other = F.cross_entropy(model(torch.randn(8, 5)), torch.randint(3, (8,)))
        """,
    )
    assert [str(result.location) for result in results] == ["train.py:11", "train.py:12"]


@pytest.mark.parametrize(
    "rule", [rule for rule in model_rules() if rule.observed in OF_SCRIPTS], ids=lambda rule: rule.code
)
def test_the_example_of_a_page_on_scripts_has_its_finding(rule: Rule, tmp_path: Path) -> None:
    codes = {
        name: [
            finding.code
            for result in run(tmp_path, rule.explain[name] + "\nloss.backward()\n")
            for finding in result.findings
            if finding.severity != "note"
        ]
        for name in ("example", "instead")
    }
    assert codes == {"example": [rule.code], "instead": []}


def test_log_softmax_stands_on_the_line_of_the_softmax(tmp_path: Path) -> None:
    results = run(tmp_path, WRONG["softmax before a loss that wants logarithms"][3])
    assert results[0].findings[0].fixes[0].code == "p = F.log_softmax(model(x) / 2, dim=1)"


SEVERITIES = {
    "binary_cross_entropy_with_logits": "error",  # () is refused against (1,)
    "mse_loss": "warning",  # broadcast, with torch's warning
}


@pytest.mark.parametrize("loss", SEVERITIES)
def test_a_batch_of_one_is_as_bad_as_what_the_loss_makes_of_it(loss: str, tmp_path: Path) -> None:
    (result,) = run(
        tmp_path,
        f"""
        model = nn.Linear(5, 1)
        for x, y in DataLoader(TensorDataset(torch.randn(9, 5), torch.rand(9)), batch_size=4):
            F.{loss}(model(x).squeeze(), y).backward()
            break
        """,
    )
    assert [(finding.code, finding.severity) for finding in result.findings] == [("SC455", SEVERITIES[loss])]


def test_a_batch_norm_has_no_statistics_of_the_last_sample(tmp_path: Path) -> None:
    (result,) = run(
        tmp_path,
        """
        net = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
        for x, y in DataLoader(TensorDataset(torch.randn(9, 5), torch.randint(3, (9,))), batch_size=4):
            F.cross_entropy(net(x), y).backward()
            break
        """,
    )
    assert [(finding.code, finding.severity) for finding in result.findings] == [("SC456", "error")]
