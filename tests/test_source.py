"""Reading the user's source: the line without its softmax."""

from __future__ import annotations

from pathlib import Path

import pytest

from shapecheck import source


@pytest.mark.parametrize(
    ("line", "name", "without"),
    [
        ("return F.softmax(self.head(x), dim=1)", "softmax", "return self.head(x)"),
        ("return torch.softmax(input=x, dim=1)", "softmax", "return x"),
        ("return self.softmax(self.head(x))", "softmax", "return self.head(x)"),
        ("return self.head(x).softmax(-1)", "softmax", "return self.head(x)"),
        ("return x.softmax(dim=1).squeeze(2)", "softmax", "return x.squeeze(2)"),
        ("y = torch.sigmoid(self.head(x))", "sigmoid", "y = self.head(x)"),
        ("x = F.softmax(x, dim=2)", "softmax", "# delete this line: x = F.softmax(x, dim=2)"),
        ("return self.net(x)", "softmax", None),
        ("return F.log_softmax(x, dim=1)", "softmax", None),
        ("return F.softmax(x, 1) + F.softmax(y, 1)", "softmax", None),
    ],
)
def test_without_call(line: str, name: str, without: str | None, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(f"class Net:\n    def forward(self, x, y):\n        {line}\n", encoding="utf-8")
    assert source.without_call(str(file), 3, name) == without
