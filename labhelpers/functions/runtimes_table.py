"""The languages that functions can be written in: which program runs each, and how a missing one is installed.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labhelpers.errors import INVALID_PARAMETER, AwsError
from labhelpers.functions import runtimes_programs
from labhelpers.functions.runtimes_programs import Program


@dataclass(frozen=True, slots=True)
class Language:
    """A language, its `program`, and the packages that bring it: empty where there is none.

    `runtimes` is how AWS's identifiers begin; empty for one that only comes as a custom runtime (`provided`).
    """

    name: str
    runtimes: str
    program: str
    oldest: tuple[int, ...] = ()
    question: str = "--version"
    conda: str = ""
    debian: str = ""
    homebrew: str = ""
    used_for: str = ""

    def find(self, runtime: str = "") -> Program | None:
        """Its program on this machine, for functions of `runtime`."""
        if self.runtimes == "java":
            return runtimes_programs.find_java(asked_major(runtime) or self.oldest[0])
        return runtimes_programs.find(self.program, self.question)

    @property
    def how_to_install(self) -> str:
        """One sentence: where its program comes from."""
        ways = [
            f"`conda install -c conda-forge {self.conda}`" if self.conda else "",
            f"`apt-get install {self.debian}` (Debian, Ubuntu)" if self.debian else "",
            f"`brew install {self.homebrew}` (Homebrew)" if self.homebrew else "",
        ]
        *first, last = [way for way in ways if way]
        return f"install it with {', '.join(first)} or {last}"


LANGUAGES = (
    Language(
        "Node.js",
        "nodejs",
        "node",
        (18,),
        conda="nodejs",
        debian="nodejs",
        homebrew="node",
        used_for="functions with the runtimes nodejs20.x, nodejs22.x, nodejs24.x",
    ),
    Language(
        "Ruby",
        "ruby",
        "ruby",
        (2, 7),
        conda="ruby",
        debian="ruby",
        homebrew="ruby",
        used_for="functions with the runtimes ruby3.3, ruby3.4",
    ),
    Language(
        "Java",
        "java",
        "javac",
        (11,),
        conda="openjdk",
        debian="default-jdk-headless",
        homebrew="openjdk",
        used_for="functions with the runtimes java17, java21, java25",
    ),
    Language(
        "C# (.NET)",
        "dotnet",
        "dotnet",
        (8,),
        conda="dotnet-sdk",
        homebrew="dotnet",
        used_for="functions with the runtimes dotnet8, dotnet10",
    ),
)
# What a learner compiles or runs a custom runtime with: the lab itself needs none of these.
CUSTOM = (
    Language(
        "Go",
        "",
        "go",
        question="version",
        conda="go",
        debian="golang-go",
        homebrew="go",
        used_for="compiling a bootstrap in Go",
    ),
    Language(
        "C# (Mono)",
        "",
        "mcs",
        conda="mono",
        debian="mono-mcs",
        homebrew="mono",
        used_for="a bootstrap in C# where .NET is missing",
    ),
    Language(
        "PowerShell",
        "",
        "pwsh",
        conda="powershell",
        homebrew="powershell",
        used_for="a bootstrap in PowerShell",
    ),
    Language(
        "C++",
        "",
        "g++",
        conda="gxx",
        debian="g++",
        homebrew="gcc",
        used_for="compiling a bootstrap in C++",
    ),
    Language(
        "Rust",
        "",
        "rustc",
        conda="rust",
        debian="rustc",
        homebrew="rust",
        used_for="compiling a bootstrap in Rust",
    ),
)


def language_of(runtime: str) -> Language | None:
    """The language whose program functions of `runtime` need; None for Python and for custom runtimes."""
    fitting = (language for language in LANGUAGES if runtime.startswith(language.runtimes))
    return next(fitting, None)


def asked_major(runtime: str) -> int:
    """The first number in a runtime's identifier: 22 of nodejs22.x; 0 if there is none."""
    number = re.search(r"\d+", runtime)
    return int(number[0]) if number else 0


def program_for(runtime: str) -> Program | None:
    """The program that runs functions of `runtime`; None for Python and for custom runtimes.

    AwsError InvalidParameterValueException where it is missing or too old: what is missing, and how it is installed.
    """
    language = language_of(runtime)
    if language is None:
        return None
    program = language.find(runtime)
    if program is None:
        what = f"the program {language.program}, which is not on this machine"
    elif program.version < language.oldest:
        oldest = ".".join(str(number) for number in language.oldest)
        what = f"{language.program} {oldest} or newer; this machine has {program.version_text}"
    else:
        return program
    raise AwsError(
        INVALID_PARAMETER,
        f"In this lab, functions with the runtime {runtime} need {what}: {language.how_to_install}, then try again.",
    )
