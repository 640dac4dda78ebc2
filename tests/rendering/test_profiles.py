from diffsfsr.evaluation.results.profiles import lines


def test_heads_are_found_read_and_refused_by_their_angle(opengl, face_mesh):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in list(lines(face_mesh, (0, 30, 80)))[2:]]
    assert [row[0] for row in rows] == ["0", "30", "80"]
    front, turned, profile = rows
    assert front[1] == "2 of 2" and float(front[2]) < 8 and float(front[3]) < 10
    assert turned[1] == "4 of 4" and 22 < float(turned[2]) < 38 and turned[4:] == ["0", "0"]
    assert int(profile[1][0]) == 0 or int(profile[4]) + int(profile[5]) > 0  # not found, or told
