"""``python -m simplug``."""

from simplug.cli.main import main

main()
