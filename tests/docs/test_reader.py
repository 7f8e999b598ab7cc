"""The reader of pages finds all their code, and the checks find what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.docs.blocks import Block, read_blocks
from tests.docs.commands import Commands, lines
from tests.docs.session import Session
from tests.docs.synopsis import check_synopsis

PAGE = """\
# Title

    freeridge --version

- A list

  ```python title
  x = 1
  ```

  ```text
  1
  ```

```{note}
Before.

~~~toml
a = 1
~~~
```

```{code-block} json
{}
```
:::{tip}
```
bare
```
:::
"""


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], list[Block]]:
    """Blocks of a text."""

    def read(text: str) -> list[Block]:
        path = tmp_path / "page.md"
        path.write_text(text, encoding="utf-8")
        return read_blocks(path)

    return read


def test_every_block_is_found(page: Any) -> None:
    blocks = page(PAGE)
    found = [(block.line, block.kind, block.marks, block.text, block.below) for block in blocks]
    assert found == [
        (3, "indented", (), "freeridge --version\n", False),
        (8, "python", ("title",), "x = 1\n", False),
        (12, "text", (), "1\n", True),
        (19, "toml", (), "a = 1\n", False),
        (24, "json", (), "{}\n", True),
        (28, "", (), "bare\n", False),
    ]
    lines = PAGE.splitlines()
    for block in blocks:
        assert lines[block.line - 1].strip() == block.text.strip() == block.placed.strip()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```rust\nx\n```", "no test knows this kind"),
        ("```\nx\n```", "no test knows this kind"),
        ("```python skip\nx\n```", "unknown mark skip"),
        ("```python\nx = 1\nprint(x)  # 2\n```", r"page.md:3: said \['2'\], printed \['1\\n'\]"),
        ("```python\nfor x in (1, 2):\n    print(x)  # 1\n```", r"page.md:3"),
        ("```python\nx = 1\nx  # 1\n```", "line 3 states a value that a script does not show"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```", "printed 1"),
        ("```pycon\n>>> 1 + 1\n3\n```", "Expected"),
        ("```python\nprint(2, y)\n```", "name 'y' is not defined"),
        ("```python\nfor\n```", "invalid syntax"),
        ("    freeridge predcit", "predcit"),
        ("    freeridge gcd --preset tiny", "tiny"),
        ("    freeridge predict Nothing", "Nothing"),
        ("    freeridge gcd [--preset quick] [--out DIR]", "freeridge gcd"),
        ("    make nothing", "nothing"),
        ("    pip install '.[nothing]'", "nothing"),
        ("    python -m nothing", "nothing"),
        ("    pytest tests/nothing", "nothing"),
        ("    rm -rf /", "rm"),
        ('```toml\nsetting = "Nothing"\n```', "Nothing"),
    ],
)
def test_what_is_wrong_is_found(
    page: Any, text: str, message: str, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session(Commands(ask), ())
    with pytest.raises(BaseException, match=message):
        for block in page(text):
            session.run(block)


def test_a_page_is_one_process(page: Any, ask: Any) -> None:
    """Names last from block to block, and float64 has to be asked for."""
    session = Session(Commands(ask), ())
    text = """\
```python
import jax.numpy as jnp

x = jnp.zeros(1)
print(x.dtype)
```

```text
float32
```

```python
import jax

jax.config.update("jax_enable_x64", True)
```

```python
for scale in (1, 2):
    print(scale * (x + 1))  # [1.], then [2.]
print(
    jnp.zeros(1).dtype, 0.123
)  # float64 0.12
```

```pycon
>>> print(x)
[0.]
```
"""
    for block in page(text):
        session.run(block)
    assert session.double


def test_what_is_slow_is_only_read(page: Any, ask: Any) -> None:
    session = Session(Commands(ask), ("costly", "from here..."))
    for block in page(
        '```python\nx = 1\n```\n\n```python\nx = "costly"\n```\n\n    freeridge practice --out costly\n\n'
        '```python\nx = "from here"\n```\n\n```python\nx = "after"\n```\n\n```text\nnot seen\n```\n'
    ):
        session.run(block)
    assert session.namespace["x"] == 1


def test_a_block_may_be_a_file(page: Any, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in page("```python file=new.py\nx = 1\n```\n\n    freeridge --version"):
        Session(Commands(ask), ()).run(block)
    assert (tmp_path / "new.py").read_text(encoding="utf-8") == "x = 1\n"


def test_lines(page: Any) -> None:
    (block,) = page("    # why\n    freeridge predict \\\n        A\n\n    make test  # all\n")
    assert [command for command, _ in lines(block)] == ["freeridge predict      A", "make test  # all"]
    (block,) = page("```console\n$ freeridge --version\n1.0\n$ make\n```")
    assert list(lines(block)) == [("freeridge --version", "1.0\n"), ("make", "")]


def test_a_synopsis_has_every_option() -> None:
    whole = "freeridge gcd [--preset quick|small|paper] [--out DIR] [--base B] [--key K] [--json]"
    check_synopsis([whole])
    for wrong in (whole.replace(" [--json]", ""), whole + " [--fast]", whole.replace("|paper", "")):
        with pytest.raises(AssertionError, match="freeridge gcd"):
            check_synopsis([wrong])
