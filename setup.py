"Hand what settings.ini says to setuptools."

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

root = Path(__file__).parent
ini = ConfigParser(delimiters=["="])
ini.read(root / "settings.ini", encoding="utf-8")
cfg = ini["DEFAULT"]
# `lake_requirements` is the extra `lake`, and so on; `dev` is all of them.
extras = {key.removesuffix("_requirements"): cfg[key].split() for key in cfg if key.endswith("_requirements")}
extras["dev"] = sorted({need for needs in extras.values() for need in needs})

setup(
    version=cfg["version"],
    description=cfg["description"],
    long_description=(root / "README.md").read_text(encoding="utf-8")
    if (root / "README.md").exists()
    else "",
    long_description_content_type="text/markdown",
    author=cfg["author"],
    license="MIT",
    keywords=cfg["keywords"].split(),
    url=cfg["git_url"],
    python_requires=f">={cfg['min_python']}",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Education",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
    ],
    packages=find_packages(include=["alphatwin", "alphatwin.*", "alphatwin_book"]),
    package_data={
        "alphatwin": ["py.typed", "data/bundled/*", "content/assets/*", "optimize/tables/*"],
        "alphatwin_book": ["assets/*"],
    },
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={
        "console_scripts": [
            "alphatwin = alphatwin.content.cli:main",
            "alphatwin-nbfilter = alphatwin_book.nbfilter:main",
        ],
        "nbdev": ["alphatwin = alphatwin._modidx:d"],
    },
)
