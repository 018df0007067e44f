"""Which statements of a file are run, decided on its text alone."""

from __future__ import annotations

import ast

import pytest

from shapecheck.probe.loading.names import names_of
from shapecheck.probe.loading.slicing import sliced, worth_slicing

NET = "class Net(nn.Module):\n    def __init__(self):\n        self.size = {size}\n"


@pytest.mark.parametrize(
    "text",
    [
        "torch.manual_seed(0)",
        "os.environ['X'] = '1'",
        "sys.path.insert(0, '..')",
        "logging.basicConfig(level=1)",
        "warnings.filterwarnings('ignore')",
        "try:\n    import x\nexcept ImportError:\n    x = None",
        "if torch.cuda.is_available():\n    device = 'cuda'",
        "model_urls = {'a': 'http://x'}",
        "__all__ = ['Net']",
        "Net.forward = forward",
        "register(Net)",
        "for name in ('a', 'b'):\n    REGISTRY[name] = Net",
        "net = Net().eval()",
        "net.train()",
        "net.train(False)",
        "vocabulary = open('words.txt').read()",
        "config = yaml.safe_load(open('config.yaml'))",
        "if __name__ == '__main__':\n    main()",
        "def main():\n    loss.backward()",
        "@register('x')\nclass Net: ...",
        "train = lambda: loss.backward()",
        "args = parser.parse_args()",
        "net = torch.compile(Net())",
        "runs = 3",
    ],
)
def test_what_is_run_whole(text: str) -> None:
    assert not worth_slicing(ast.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "data = MNIST('.', download=True)",
        "loss.backward()",
        "for x, y in train_loader:\n    print(x)",
        "for epoch in range(epochs):\n    pass",
        "for i in tqdm(range(args.num_epochs)):\n    pass",
        "while True:\n    optimizer.step()",
        "main()",
        "train(net, loader)",
        "history = net.fit(x, y)",
        "trainer.train()",
        "app.run(main)",
        "os.makedirs('runs')",
        "torch.save(net, 'net.pt')",
        "open('log.txt', 'w')",
        "with open('log.txt', mode='a') as f:\n    f.write('x')",
        "os.system('nvidia-smi')",
        "subprocess.run(['ls'])",
        "urllib.request.urlretrieve(url, 'a')",
        "name = input('who? ')",
        "wandb.init(project='x')",
        "def load():\n    return MNIST('.', download=True)\ndata = load()",
        "def a():\n    b()\ndef b():\n    a()\n    loss.backward()\na()",
        "if torch.cuda.is_available():\n    os.system('nvidia-smi')",
        "try:\n    import x\nexcept ImportError:\n    os.system('pip install x')",
    ],
)
def test_what_is_run_in_part(text: str) -> None:
    assert worth_slicing(ast.parse(text))


@pytest.mark.parametrize(
    ("text", "name", "kept"),
    [
        ("n = 3\nmain()\n" + NET.format(size="n"), "Net", [1, 3]),
        ("n = len(open('a').read())\nmain()\n" + NET.format(size="n"), "Net", [1, 3]),
        ("n = len(open('a').read())\nmain()\n" + NET.format(size="3"), "Net", [3]),
        ("n = get()\nm = n + 1\nmain()\n" + NET.format(size="m"), "Net", [1, 2, 4]),
        ("n = []\nn.append(make())\nn[0] = 2\nmain()\n" + NET.format(size="n"), "Net", [1, 2, 3, 5]),
        ("n = []\ndef f():\n    return n\nmain()\n" + NET.format(size="f()"), "Net", [1, 2, 5]),
        ("main()\n" + NET.format(size="1") + "Net.extra = 2\nregister(Net)\nuse(other)", "Net", [2, 5, 6]),
        (
            "main()\n" + NET.format(size="1") + "net = Net()\nnet.x = make()\ntrain(net)\nprint(net)",
            "net",
            [2, 5, 6, 8],
        ),
        ("main()\n" + NET.format(size="1") + "net = Net()\nprint(net)", "Net", [2]),
        ("loader = MNIST(download=True)\nn = len(loader)\n" + NET.format(size="1"), "Net", [3]),
        ("i = MNIST(download=True)\nn = [i for i in (1, 2)]\n" + NET.format(size="n"), "Net", [2, 3]),
        ("import sys\nsys.path.append('a')\nimport helper\nmain()\n" + NET.format(size="1"), "Net", [1, 2, 3, 5]),
        ("if cuda():\n    run()\n    n = 1\nelse:\n    n = 2\n" + NET.format(size="n"), "Net", [1, 6]),
    ],
)
def test_what_a_name_needs(text: str, name: str, kept: list[int]) -> None:
    assert [statement.lineno for _, statement in sliced(ast.parse(text), name).kept] == kept


def test_a_branch_keeps_what_has_no_effect() -> None:
    [(_, statement)] = sliced(ast.parse("if cuda():\n    os.system('x')\n    n = 1\n"), "n").kept
    assert ast.unparse(statement) == "if cuda():\n    n = 1"


def test_a_handler_that_installs_lets_the_exception_pass() -> None:
    text = "try:\n    import x\nexcept ImportError:\n    os.system('pip install x')\n    import x"
    [(_, statement)] = sliced(ast.parse(text), "x").kept
    assert ast.unparse(statement) == "try:\n    import x\nexcept ImportError:\n    raise"


def test_why_it_is_left_out() -> None:
    text = "data = MNIST(download=True)\nn = len(data)\nm = n + 1\n"
    first, second, third = sliced(ast.parse(text), "m").left_out
    assert (first.line, first.text, first.why) == (1, "data = MNIST(download=True)", "downloads")
    assert (second.why, second.cause, third.why, third.cause) == ("needs data", first, "needs n", first)


@pytest.mark.parametrize(
    ("text", "binds", "reads", "later", "changes"),
    [
        ("x = y", "x", "y", "", ""),
        ("x.a = y", "", "x y", "", "x"),
        ("f(x)", "", "f x", "", "x"),
        ("x.a.b(y)", "", "x y", "", "x y"),
        ("x().b(y)", "", "x y", "", "y"),
        ("z = f(x)", "z", "f x", "", ""),
        ("x = [i for i in y]", "x", "y", "", ""),
        ("f = lambda a, b=y: a + c", "f", "y", "c", ""),
        ("@d\ndef f(a: t, b=y) -> r:\n    k = a + g\n    return h(k)", "f", "d t y r", "g h", ""),
        ("class C(B):\n    size = n\n    def f(self):\n        return size + self.k", "C", "B n", "size", ""),
        ("def f():\n    global n\n    n = n + 1", "f", "", "n", ""),
        ("import a.b as c, d.e", "c d", "", "", ""),
        ("with f(x) as y:\n    z = y", "y z", "f x y", "", ""),
    ],
)
def test_names(text: str, binds: str, reads: str, later: str, changes: str) -> None:
    names = names_of(ast.parse(text).body[0])
    found = (names.binds, names.reads, names.reads_later, names.changes)
    assert found == tuple(frozenset(words.split()) for words in (binds, reads, later, changes))


def test_annotations_that_are_never_evaluated_need_nothing() -> None:
    function = ast.parse("def f(a: t) -> r: ...").body[0]
    assert names_of(function, lazy_annotations=True).reads == frozenset()
