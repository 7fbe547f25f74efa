"""Programs of users, right ones and wrong ones, and the test that has type checkers read them."""
