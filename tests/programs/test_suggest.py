"""What a mistyped name may have meant."""

from programs.suggest import did_you_mean


def test_the_closest_name():
    assert did_you_mean("sqr", ["sin", "sqrt", "square"]) == "; did you mean 'sqrt'?"
    assert did_you_mean("xyz", ["sin", "sqrt"]) == ""
    assert did_you_mean("xyz", ["sin", "sqrt"], or_list=True) == "; there are: sin, sqrt"
    assert did_you_mean("sin", []) == ""


def test_of_very_many_names_the_last_are_compared():
    names = ["updat"] + [f"v{i}" for i in range(200)]
    assert did_you_mean("update", names) == ""
    assert did_you_mean("update", names[::-1]) == "; did you mean 'updat'?"
