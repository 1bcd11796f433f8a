"""`python -m compat` is `qwen-asr-compat`."""

from compat.cli import main

if __name__ == "__main__":
    main()
