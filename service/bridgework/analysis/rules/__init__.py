"""The rules of reachability: ``table`` puts them in order, ``base`` says what each is given; a module a theme."""
